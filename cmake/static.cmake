# SPDX-License-Identifier: BSD-2-Clause
# Static programs, for guests that have no libraries: an initrd of a few files.
include(CheckCSourceCompiles)
find_package(Threads REQUIRED)

set(static_libraries Threads::Threads)
if(VMQ_TRANSPORT_SIM)
	find_library(VMQ_JANSSON_ARCHIVE libjansson.a)
	list(APPEND static_libraries ${VMQ_JANSSON_ARCHIVE})
endif()
block()
	set(CMAKE_REQUIRED_LINK_OPTIONS -static -fno-sanitize=all)
	check_c_source_compiles("int main(void) { return 0; }" VMQ_STATIC_LINKS)
endblock()
set(xen_archives "")
if(VMQ_TRANSPORT_XEN)
	foreach(name xenstore xengnttab xenevtchn xentoollog xentoolcore)
		find_library(VMQ_${name}_ARCHIVE lib${name}.a)
		list(APPEND xen_archives ${VMQ_${name}_ARCHIVE})
	endforeach()
endif()
set(VMQ_STATIC OFF)
if(VMQ_STATIC_LINKS AND NOT "${VMQ_JANSSON_ARCHIVE}" MATCHES "NOTFOUND$")
	set(VMQ_STATIC ON)
else()
	message(STATUS "no static C library or no libjansson.a: no static programs for guests are built")
endif()

# The library once more: a static program cannot load plugins, and is never instrumented,
# whatever the rest of the build is.
set(static_flags -fno-sanitize=all -fno-profile-arcs -fno-test-coverage)
if(VMQ_STATIC)
	get_target_property(static_sources vmq-objects SOURCES)
	list(TRANSFORM static_sources PREPEND ${PROJECT_SOURCE_DIR}/lib/ REGEX "^[^/]")
	add_library(vmq-program STATIC EXCLUDE_FROM_ALL ${static_sources})
	target_include_directories(vmq-program PUBLIC ${PROJECT_SOURCE_DIR}/include
		PRIVATE $<TARGET_PROPERTY:vmq-objects,INCLUDE_DIRECTORIES>)
	target_compile_definitions(vmq-program PRIVATE VMQ__NO_PLUGINS
		$<TARGET_PROPERTY:vmq-objects,COMPILE_DEFINITIONS>)
	target_compile_options(vmq-program PRIVATE ${static_flags})
	if(xen_archives AND NOT "${xen_archives}" MATCHES "NOTFOUND")
		target_sources(vmq-program PRIVATE ${VMQ_XEN_SOURCES})
		target_compile_definitions(vmq-program PRIVATE VMQ__XEN)
		list(APPEND static_libraries ${xen_archives})
	endif()
	target_link_libraries(vmq-program PUBLIC ${static_libraries})
endif()

# vmq_static(target SOURCES...): a program with libvmq in it that needs no library at all.
# Only where VMQ_STATIC is on.
function(vmq_static target)
	add_executable(${target} ${ARGN})
	target_compile_options(${target} PRIVATE ${static_flags})
	target_link_libraries(${target} PRIVATE vmq-program)
	target_link_options(${target} PRIVATE -static -fno-sanitize=all)
endfunction()
