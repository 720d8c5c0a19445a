# SPDX-License-Identifier: BSD-2-Clause
# The files of `vmq doctor`, for the tool and for the tests.
set(doctor_sources command.c dial.c fix.c guest.c here.c host.c region.c report.c sys.c vfio.c vfio_open.c xen.c)
list(TRANSFORM doctor_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
set(doctor_includes ${CMAKE_CURRENT_LIST_DIR} ${PROJECT_SOURCE_DIR}/tools ${PROJECT_SOURCE_DIR}/transports/ivshmem
	${PROJECT_SOURCE_DIR}/lib)
set(doctor_definitions "")
foreach(transport KVM XEN)
	if(VMQ_TRANSPORT_${transport})
		list(APPEND doctor_definitions TOOL_${transport})
	endif()
endforeach()
# Where a plugin is looked for; static programs have none.
set(doctor_plugins TOOL_PLUGINS="${CMAKE_INSTALL_FULL_LIBDIR}/vmq")
