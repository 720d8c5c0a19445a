# SPDX-License-Identifier: BSD-2-Clause
# The files of `vmq top`, `vmq stats` and `vmq dump`, for the tool and for the tests.
set(watch_sources channel.c dump.c dump_dir.c dump_json.c dump_read.c dump_records.c dump_text.c file.c hub.c
	ivshmem.c mem.c prometheus.c snapshot.c stats.c stats_json.c term.c text.c top.c top_rate.c top_view.c)
list(TRANSFORM watch_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
set(watch_includes ${CMAKE_CURRENT_LIST_DIR} ${PROJECT_SOURCE_DIR}/tools ${PROJECT_SOURCE_DIR}/lib
	${PROJECT_SOURCE_DIR}/transports/common ${PROJECT_SOURCE_DIR}/transports/ivshmem
	${PROJECT_SOURCE_DIR}/transports/sim)
# What the shared library keeps to itself: reading regions, directories and packets.
set(watch_library ${PROJECT_SOURCE_DIR}/lib/core/layout.c ${PROJECT_SOURCE_DIR}/lib/error.c
	${PROJECT_SOURCE_DIR}/lib/packet.c ${PROJECT_SOURCE_DIR}/transports/sim/wire.c)
if(NOT VMQ_TRANSPORT_IVSHMEM)
	list(APPEND watch_library ${PROJECT_SOURCE_DIR}/transports/ivshmem/dir.c)
endif()
set_source_files_properties(${watch_library} PROPERTIES COMPILE_DEFINITIONS _DEFAULT_SOURCE)
