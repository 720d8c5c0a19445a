# SPDX-License-Identifier: BSD-2-Clause
# What `cmake --install` gives. The installed tree may be moved, unless VMQ_RELOCATABLE is
# off: pkg-config and CMake both find the rest from where their own files lie. Components
# are the packages of cmake/packages.cmake; what names none is `dev`.
set(VMQ_LIBRARIES vmq-shared vmq-static vmq-core)
set(VMQ_MODULES vmq vmq-core)
if(TARGET vmq-guest)
	list(APPEND VMQ_LIBRARIES vmq-guest)
	list(APPEND VMQ_MODULES vmq-guest)
endif()
if(TARGET vmq-xen)
	list(APPEND VMQ_LIBRARIES vmq-xen)
	list(APPEND VMQ_MODULES vmq-xen)
endif()
if(TARGET vmq-xen-plugin)
	# Where registry.c looks for it.
	install(TARGETS vmq-xen-plugin LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/vmq COMPONENT xen)
endif()
install(TARGETS ${VMQ_LIBRARIES} EXPORT vmq-targets
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib NAMELINK_COMPONENT dev
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev
	INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set_target_properties(vmq-shared PROPERTIES EXPORT_NAME vmq)
install(DIRECTORY include/vmq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# ---- pkg-config ----------------------------------------------------------------
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR NOT VMQ_RELOCATABLE)
	set(VMQ_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
	set(VMQ_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
else()
	file(RELATIVE_PATH up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
	string(REGEX REPLACE "/$" "" VMQ_PC_PREFIX "\${pcfiledir}/${up}")
	set(VMQ_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
	set(VMQ_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
else()
	set(VMQ_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(VMQ_PC_REQUIRES "")
if(VMQ_TRANSPORT_SIM)
	set(VMQ_PC_REQUIRES jansson)
endif()
set(VMQ_PC_DL "")
if(VMQ_PLUGINS)
	set(VMQ_PC_DL " -ldl")
endif()
foreach(module IN LISTS VMQ_MODULES)
	configure_file(pkgconfig/${module}.pc.in ${PROJECT_BINARY_DIR}/pkgconfig/${module}.pc @ONLY)
	install(FILES ${PROJECT_BINARY_DIR}/pkgconfig/${module}.pc
		DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# ---- find_package ----------------------------------------------------------------
set(VMQ_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/vmq)
install(EXPORT vmq-targets NAMESPACE vmq:: DESTINATION ${VMQ_CMAKE_DIR})
configure_package_config_file(cmake/vmq-config.cmake.in ${PROJECT_BINARY_DIR}/vmq-config.cmake
	INSTALL_DESTINATION ${VMQ_CMAKE_DIR} NO_SET_AND_CHECK_MACRO)
# Before 1.0 each minor version may differ from the last.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vmq-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/vmq-config.cmake ${PROJECT_BINARY_DIR}/vmq-config-version.cmake
	DESTINATION ${VMQ_CMAKE_DIR})

# ---- the rest ----------------------------------------------------------------------
if(TARGET vmq-tool)
	if(VMQ_RELOCATABLE)
		file(RELATIVE_PATH from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
		set_target_properties(vmq-tool PROPERTIES INSTALL_RPATH "$ORIGIN/${from_bin}")
	endif()
	install(TARGETS vmq-tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
	install(FILES tools/completion/vmq.bash RENAME vmq COMPONENT tools
		DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
if(TARGET vmq-xen-fabric)
	install(TARGETS vmq-xen-fabric RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT xen)
endif()
# Packages have the licence and the changes in their own form.
install(FILES CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT plain)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "man" EXCLUDE)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.[ch]" PATTERN "*.ld" PATTERN "*.json"
	PATTERN "*.py")
install(DIRECTORY examples/ivshmem DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples USE_SOURCE_PERMISSIONS)
# Others take the Python package with pip: only a distribution knows where it belongs.
install(DIRECTORY bindings/python/vmq DESTINATION lib/python3/dist-packages COMPONENT python EXCLUDE_FROM_ALL
	FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
