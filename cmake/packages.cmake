# SPDX-License-Identifier: BSD-2-Clause
# `cpack -G DEB` in a build folder makes Debian packages, whatever that build is for: they
# are built once more, in the folder package/ of it, as they have to be: for /usr, with the
# distribution's flags, its library folder, and no run paths. See package/begin.cmake.in.
if(NOT PROJECT_IS_TOP_LEVEL)
	return()
endif()
get_target_property(soversion vmq-shared SOVERSION)
set(CPACK_COMPONENTS_ALL lib dev python)
set(CPACK_DEBIAN_LIB_PACKAGE_NAME libvmq${soversion})
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libvmq-dev)
set(CPACK_DEBIAN_XEN_PACKAGE_NAME libvmq-xen)
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME vmq-tools)
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-vmq)
if(TARGET vmq-xen-plugin)
	list(APPEND CPACK_COMPONENTS_ALL xen)
endif()
if(TARGET vmq-tool)
	list(APPEND CPACK_COMPONENTS_ALL tools)
endif()
# Less than that of any package of the distribution's own.
set(VMQ_PACKAGE_REVISION 0vmq1 CACHE STRING "Revision of the Debian packages")
set(VMQ_PACKAGE_MAINTAINER "the libvmq authors <libvmq@packages.invalid>" CACHE STRING
	"Maintainer of the Debian packages: Name <address>")

# ---- the same for all ------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vmq)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/package/lib)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_PACKAGE_VENDOR "the libvmq authors")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
	GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${VMQ_PACKAGE_REVISION})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${VMQ_PACKAGE_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_SOURCE libvmq)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# ---- each ------------------------------------------------------------------------
set(version ${PROJECT_VERSION}-${VMQ_PACKAGE_REVISION})
set(about "libvmq gives each virtual machine a message queue: a VM puts a message into
another VM's queue, with or without pages of memory attached, and says for
each message whether it is worth a VM exit now or rides on the next one.

")

# vmq_package(component section summary text): the name was set above.
function(vmq_package component section summary text)
	string(TOUPPER ${component} upper)
	set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section} PARENT_SCOPE)
	set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${about}${text}" PARENT_SCOPE)
endfunction()

vmq_package(lib libs "message queues between virtual machines" "This package has the shared library.")
vmq_package(dev libdevel "message queues between virtual machines (development files)"
	"This package has the headers, the archives (also that of the core, which needs
no libc, and that of the xen transport), and the manual.")
vmq_package(xen libs "message queues between virtual machines (transport for Xen)"
	"This package has the transport between Xen's domains, a plugin, and
vmq-xen-fabric, which says who may talk to whom.")
vmq_package(tools utils "message queues between virtual machines (commands)"
	"This package has the command vmq: it sends and receives messages, connects
processes and QEMU's guests, and says what can work on a machine.")
vmq_package(python python "message queues between virtual machines (Python)"
	"This package has the module vmq for Python 3.")

set(control ${PROJECT_BINARY_DIR}/package-control)
file(WRITE ${control}/shlibs "libvmq ${soversion} ${CPACK_DEBIAN_LIB_PACKAGE_NAME} (>= ${PROJECT_VERSION})\n")
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
set(library "${CPACK_DEBIAN_LIB_PACKAGE_NAME} (= ${version})")
set(CPACK_DEBIAN_LIB_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA "${control}/shlibs;${control}/triggers")
set(CPACK_DEBIAN_LIB_PACKAGE_SUGGESTS "libvmq-xen (= ${version})")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${library}")
if(VMQ_TRANSPORT_SIM)
	string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS ", libjansson-dev")
endif()
if(TARGET vmq-xen)
	set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS libxen-dev)
endif()
set(CPACK_DEBIAN_XEN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_XEN_PACKAGE_DEPENDS "${library}")
set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "${library}")
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.9), ${CPACK_DEBIAN_LIB_PACKAGE_NAME} (>= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA
	"${PROJECT_SOURCE_DIR}/cmake/package/postinst;${PROJECT_SOURCE_DIR}/cmake/package/prerm")

# ---- how they are made -----------------------------------------------------------
set(VMQ_PACKAGE_BUILD ${PROJECT_BINARY_DIR}/package)
set(package_options -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DVMQ_PLUGINS=${VMQ_PLUGINS})
foreach(name SIM KVM IVSHMEM XEN)
	list(APPEND package_options -DVMQ_TRANSPORT_${name}=${VMQ_TRANSPORT_${name}})
endforeach()
set(CPACK_INSTALL_CMAKE_PROJECTS "${VMQ_PACKAGE_BUILD};vmq;ALL;/")
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_BINARY_DIR}/package-begin.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_BINARY_DIR}/package-finish.cmake)
string(TIMESTAMP package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/package/begin.cmake.in ${CPACK_PROJECT_CONFIG_FILE} @ONLY)
configure_file(cmake/package/finish.cmake.in ${CPACK_PRE_BUILD_SCRIPTS} @ONLY)
# What `make package` would build is not what is packaged.
set(CMAKE_SKIP_PACKAGE_ALL_DEPENDENCY ON)
include(CPack)
