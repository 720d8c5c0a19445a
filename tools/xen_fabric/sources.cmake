# SPDX-License-Identifier: BSD-2-Clause
# The files of `vmq-xen-fabric`, for the tool and for the tests.
set(xen_fabric_sources command.c domains.c list.c members.c write.c)
list(TRANSFORM xen_fabric_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
list(APPEND xen_fabric_sources ${PROJECT_SOURCE_DIR}/tools/misuse.c ${PROJECT_SOURCE_DIR}/tools/shown.c)
set(xen_fabric_includes ${CMAKE_CURRENT_LIST_DIR} ${PROJECT_SOURCE_DIR}/tools ${PROJECT_SOURCE_DIR}/transports/sim
	${PROJECT_SOURCE_DIR}/transports/common ${PROJECT_SOURCE_DIR}/transports/xen ${PROJECT_SOURCE_DIR}/lib)
