# SPDX-License-Identifier: BSD-2-Clause
# Manual pages. Sections 1 and 7 stand in docs/man/; section 3 is made from the headers'
# comments, in the build folder, so that man finds all of them under one roof there
# (`man -M BUILD/man vmq_send`).
set(VMQ_MAN ${PROJECT_BINARY_DIR}/man)
set(man_source ${PROJECT_SOURCE_DIR}/docs/man)

# What was not built has no page installed.
file(GLOB pages RELATIVE ${man_source} CONFIGURE_DEPENDS ${man_source}/*.[17])
foreach(page IN LISTS pages)
	string(REGEX REPLACE ".*\\." "man" folder ${page})
	configure_file(${man_source}/${page} ${VMQ_MAN}/${folder}/${page} COPYONLY)
	set(component tools)
	if(page MATCHES "^vmq-xen" AND TARGET vmq-xen-fabric)
		set(component xen)
	elseif(page STREQUAL "vmq-xen-fabric.1" OR (folder STREQUAL "man1" AND NOT TARGET vmq-tool))
		continue()
	endif()
	install(FILES ${man_source}/${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/${folder}
		COMPONENT ${component})
endforeach()

if(NOT VMQ_PYTHON)
	set(VMQ_MAN_NOTE "no manual pages of functions: Python 3.9 was not found")
	return()
endif()

# All pages are of one date.
file(STRINGS ${man_source}/vmq.7 man_date REGEX "^\\.Dd ")
string(REPLACE ".Dd " "" man_date "${man_date}")
file(GLOB man_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/vmq/*.h)
file(GLOB man_scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/man3/*.py)
add_custom_command(OUTPUT ${VMQ_MAN}/man3.made
	COMMAND ${VMQ_PYTHON} -B ${PROJECT_SOURCE_DIR}/tools/man3 ${PROJECT_SOURCE_DIR}/include/vmq
		${VMQ_MAN}/man3 ${man_date}
	COMMAND ${CMAKE_COMMAND} -E touch ${VMQ_MAN}/man3.made
	DEPENDS ${man_headers} ${man_scripts} ${man_source}/vmq.7
	COMMENT "Making the manual pages of section 3" VERBATIM)
add_custom_target(vmq-man ALL DEPENDS ${VMQ_MAN}/man3.made)
install(DIRECTORY ${VMQ_MAN}/man3 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT dev)
