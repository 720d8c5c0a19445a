# SPDX-License-Identifier: BSD-2-Clause
# Sets VMQ_PYTHON, an interpreter (3.9 or later, with ctypes) for the manual pages and the
# tests of the Python package, or "". The library itself needs none. VMQ_PYTHON_TESTS says
# whether that interpreter also has pytest.
set(VMQ_PYTHON "" CACHE FILEPATH "Python 3.9 or later, with ctypes (empty: looked for)")

# The system's own interpreter comes first: it is the one that has the system's packages.
foreach(candidate ${VMQ_PYTHON} /usr/bin/python3 python3)
	execute_process(COMMAND ${candidate} -c
		"import ctypes, sys; assert sys.version_info >= (3, 9); print(sys.executable)"
		RESULT_VARIABLE python_failed OUTPUT_VARIABLE python_path ERROR_QUIET
		OUTPUT_STRIP_TRAILING_WHITESPACE)
	if(NOT python_failed AND EXISTS "${python_path}")
		break()
	endif()
	set(python_path "")
endforeach()
set(VMQ_PYTHON "${python_path}")

set(VMQ_PYTHON_TESTS FALSE)
if(VMQ_PYTHON)
	execute_process(COMMAND ${VMQ_PYTHON} -c "import pytest" RESULT_VARIABLE python_failed
		ERROR_QUIET OUTPUT_QUIET)
	if(NOT python_failed)
		set(VMQ_PYTHON_TESTS TRUE)
	endif()
endif()
