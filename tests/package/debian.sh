# SPDX-License-Identifier: BSD-2-Clause
# debian.sh - for the scripts here: a Debian 12 of its own for a test. Where packages come
# from, proxies and keys are those of this machine's apt.
set -eu
debian=$BUILD/debian
root=$debian/root

skip()
{
	echo "skipped: $*"
	exit 77
}

# Each suite of Debian 12 that apt knows: its URI, name and key.
suites()
{
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(SIGNED_BY)' \
		'Created-By: Packages' 'Component: main' 2>/dev/null |
		awk '$2 ~ /^bookworm(-security|-updates)?$/' | sort -u
}

needs_root()
{
	PATH=$PATH:/usr/sbin:/sbin
	[ "$(id -u)" = 0 ] || skip "only root can make a Debian to test in"
	for tool in debootstrap unshare setpriv chroot tar; do
		command -v $tool >/dev/null || skip "$tool was not found"
	done
	unshare --mount --pid --fork true 2>/dev/null || skip "this machine allows no namespaces"
	suites | grep -q ' bookworm ' || skip "apt on this machine does not know where Debian 12 is"
}

# mounted COMMAND...: in a namespace of its own: whatever is mounted or started there is gone
# when this is over, and this script's death ends it, too.
mounted()
{
	setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL -- "$@" </dev/null
}

# Run once the root is there: its folders of the running system.
enter='
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs tmpfs "$0/dev/shm"
mount -t tmpfs tmpfs "$0/tmp"
mount --bind "$0/../archives" "$0/var/cache/apt/archives"
exec chroot "$0" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	HOME=/root LANG=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive "$@"'

inside()
{
	mounted sh -eu -c "$enter" "$root" "$@"
}

unpack()
{
	clear_root
	mkdir -p "$root" "$debian/archives/partial"
	tar -C "$root" -xpf "$debian/base.tar"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
}

# Whatever failed is left there for a look, until the next test.
clear_root()
{
	rm -rf --one-file-system "$root"
}
