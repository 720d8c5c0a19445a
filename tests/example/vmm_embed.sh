#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vmm_embed.sh - runs the example vmm_embed: VMM_EMBED.
. "$(dirname "$0")/hub.sh"

"$1" >"$tmp/vmm.out" 2>&1 || fail "it ended with $?"
has vmm "a said something lazily; b sleeps on"
has vmm 'b got "no hurry"'
has vmm "a left for the hypervisor; b ran"
has vmm 'b got "look at once"'
has vmm "b got a page: \"this page was in a's memory\""
has vmm 'a finds "" where its page was'
grep -Eq '^a +4 +1 +5 +1$' "$tmp/vmm.out" || fail "a's exits were counted otherwise"
