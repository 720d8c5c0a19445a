# SPDX-License-Identifier: BSD-2-Clause
"""fuzz.py - each command of vmq with options and arguments at random: it ends by itself or by
SIGTERM, with a code that it knows, says at most one line, and what is to be JSON is:
VMQ HUB [ROUNDS [SEED]]."""
import json
import os
import random
import re
import signal
import subprocess
import sys

VMQ, HUB = sys.argv[1:3]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 40
SOON, PATIENCE = 0.25, 30
DICE = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 6)

NUMBERS = ["", "0", "1", "-1", "+1", " 1", "1 ", "0.1", "0.05", "1e3", "nan", "inf", "-0", "0x10", "1.", ".5",
           "4294967296", "18446744073709551615", "18446744073709551616", "9" * 400, "1K", "3M", "\uff11"]
WORDS = ["", "-", "--", "a", "b", "hello", "/", "/dev/null", "/dev/full", "nowhere/file", ".", "*", "a/b", "%s%n",
         "\x1b[2Jx", b"\xff\xfe", b"x\xc2\x9b", "J\u00fcrgen", "\u202ex", "n" * 43, "n" * 44, "x" * 5000, "--help",
         "-h", "--no", "line\nline"]
ADDRESSES = [f"sim:unix={HUB}", f"sim:unix={HUB}?name=f", f"sim:unix={HUB}?name=f&max=100",
             f"sim:unix={HUB}?name=f&lane=4096&max=0", f"sim:unix={HUB}?name=", f"sim:unix={HUB}?lane=-1&name=f",
             "sim:unix=", "sim:", "sim:lab?name=f", "sim:unix=nowhere?name=f", "kvm:unix=nowhere?name=f", "kvm:",
             "xen:fabric?name=f", "xen:", "ivshmem:unix=nowhere?name=f", "ivshmem:file=nowhere?name=f",
             "ivshmem:0000:ff:1f.7?name=f", "ivshmem:junk", "carrier:pigeon", ":", "?", "", b"sim:unix=\xff?name=\xff",
             "sim:unix=" + "x" * 300, HUB]
# What would change this machine, or leave something on it.
NEVER = {"--fix", "-f", "--hugetlb", "--hugetlbfs", "--owner", "-o", "--mode", "-m"}


def options(command):
    text = subprocess.run([VMQ, command, "--help"], capture_output=True, check=True, text=True).stdout
    found = re.findall(r"(?:^|[ ,])(--?[a-zA-Z0-9][a-z-]*)", text, re.M)
    never = NEVER if command in ("doctor", "ivshmem-server") else set()
    return sorted(set(found) - never - {"--help", "-h"})


def vector(known):
    args = []
    for _ in range(DICE.randrange(4)):
        option = DICE.choice(known)
        if option.startswith("--") and DICE.random() < 0.2:
            cut = option[:DICE.randrange(3, len(option) + 1)]
            option = cut if cut not in ("--f", "--fi", "--o", "--m", "--h", "--hu") else option
        value = DICE.choice(NUMBERS if DICE.random() < 0.7 else WORDS)
        if option.startswith("--") and DICE.random() < 0.2 and isinstance(value, str):
            args.append(option + "=" + value)
            continue
        args.append(option)
        if DICE.random() < 0.6:
            args.append(value)
    if DICE.random() < 0.8:
        args.insert(DICE.randrange(len(args) + 1), DICE.choice(ADDRESSES))
    args += [DICE.choice(WORDS) for _ in range(DICE.choice((0, 0, 1, 1, 2, 3)))]
    return args


def run(command, args):
    """Its code, output and errors. What does not end soon is told to."""
    with subprocess.Popen([VMQ, command, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as p:
        try:
            out, err = p.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            p.terminate()
            try:
                out, err = p.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                p.kill()
                return "it hangs", b"", b""
        return p.returncode, out, err


def is_json(out):
    """One text, or one in each line."""
    for texts in ([out], out.splitlines()):
        try:
            for text in texts:
                json.loads(text)
            return True
        except ValueError:
            continue
    return False


def wrong(command, args, code, out, err):
    if code not in (0, 1, 2, 3, 4, -signal.SIGTERM):
        return f"code {code}"
    if b"Sanitizer" in err or b"runtime error" in err:
        return "a sanitizer complains"
    lines = err.count(b"\n")
    # A server says there what happens.
    if command != "ivshmem-server" and lines > 1 or err and not err.endswith(b"\n"):
        return f"{lines} lines of errors"
    if command != "ivshmem-server" and err and not err.startswith(b"vmq"):
        return "the line does not say who speaks"
    if any(c < 32 and c != 10 or c == 127 for c in err):
        return "control characters in an error"
    if code == 2 and (out or not lines):
        return "called wrongly, but without a line, or with output"
    if code in (1, 3, 4) and not lines and command not in ("doctor", "dump"):
        return "it failed without a word"
    if "--json" in args and code == 0 and out and not out.startswith((b"usage:", b"ready")):
        return None if is_json(out) else "that is not JSON"
    return None


def main():
    text = subprocess.run([VMQ, "--help"], capture_output=True, check=True, text=True).stdout
    commands = re.findall(r"^  ([a-z-]+) ", text, re.M)
    assert len(commands) > 7
    bad = 0
    for command in commands:
        known = options(command)
        for _ in range(ROUNDS):
            args = vector(known)
            code, out, err = run(command, args)
            why = wrong(command, args, code, out, err)
            if why:
                bad += 1
                print("FAILED:", why, [command, *args], code, out[:300], err[:2000])
            for name in os.listdir("."):
                if not os.path.isdir(name) and name != "sock":
                    os.unlink(name)
    sys.exit(bad != 0)


main()
