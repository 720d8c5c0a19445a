# SPDX-License-Identifier: BSD-2-Clause
# The files of `vmq ivshmem-server`.
set(server_sources clients.c command.c listen.c log.c loop.c memory.c options.c queue.c region.c systemd.c)
list(TRANSFORM server_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
