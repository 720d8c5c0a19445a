# SPDX-License-Identifier: BSD-2-Clause
# What was configured, for a person.
message(STATUS "libvmq ${PROJECT_VERSION} (${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE})")
foreach(name SIM KVM IVSHMEM XEN)
	string(TOLOWER ${name} label)
	if(VMQ_TRANSPORT_${name})
		message(STATUS "  transport ${label}: yes")
	elseif(VMQ_TRANSPORT_NOTE_${name})
		message(STATUS "  transport ${label}: no (${VMQ_TRANSPORT_NOTE_${name}})")
	else()
		message(STATUS "  transport ${label}: no (VMQ_TRANSPORT_${name}=OFF)")
	endif()
endforeach()
