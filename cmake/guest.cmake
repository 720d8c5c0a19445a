# SPDX-License-Identifier: BSD-2-Clause
# Programs for bare-metal 64-bit guests, as flat binaries.

# Code that runs without an operating system, and on its interrupt handlers' stack;
# never instrumented, whatever the rest of the build is.
set(VMQ_GUEST_FLAGS -O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-stack-protector
	-fno-pic -fno-pie -mcmodel=small -fno-sanitize=all -fno-profile-arcs -fno-test-coverage)

# vmq_guest(name SOURCES files... [INCLUDES folders...] [DEFINES words...])
# Builds name.bin, to be loaded at 1 MiB, where it is entered. The path is in the
# target's property VMQ_BINARY. With the core and the guest part of the KVM transport.
function(vmq_guest name)
	cmake_parse_arguments(G "" "" "SOURCES;INCLUDES;DEFINES" ${ARGN})
	set(script ${PROJECT_SOURCE_DIR}/examples/minivmm/guest.ld)
	set(binary ${CMAKE_CURRENT_BINARY_DIR}/${name}.bin)
	add_executable(${name} ${G_SOURCES} $<TARGET_OBJECTS:vmq-guest-objects>)
	target_compile_options(${name} PRIVATE ${VMQ_GUEST_FLAGS})
	target_compile_definitions(${name} PRIVATE ${G_DEFINES})
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${G_INCLUDES})
	target_link_options(${name} PRIVATE -nostdlib -static -fno-sanitize=all
		-Wl,--build-id=none,-z,noexecstack,-T,${script})
	set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${script} VMQ_BINARY ${binary})
	add_custom_command(TARGET ${name} POST_BUILD BYPRODUCTS ${binary}
		COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${name}> ${binary})
endfunction()
