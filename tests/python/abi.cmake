# SPDX-License-Identifier: BSD-2-Clause
# The prototypes beside the headers, pip, and what Python has to reach: a million messages,
# 64 MiB without a copy. See bench/python for figures.
python_test(abi)
python_test(pages64)
if(VMQ_SANITIZE)
	foreach(name install speed)
		vmq_test_skipped(python-${name} python "not with sanitizers")
	endforeach()
else()
	python_test(install TIMEOUT 300)
	python_test(speed SERIAL TIMEOUT 300)
endif()
