# SPDX-License-Identifier: BSD-2-Clause
"""echo.py - send back what comes, or send something and see it come back.

    python3 echo.py ADDRESS               serve, for ever
    python3 echo.py ADDRESS PEER TEXT...  send each TEXT to PEER and print its answer
"""

import sys

import vmq

with vmq.open(sys.argv[1]) as q:
    if len(sys.argv) > 2:
        for text in sys.argv[3:]:
            q.send(sys.argv[2], text.encode(), timeout=10)
            print(q.recv(timeout=10).data.decode())
    else:
        for message in q:
            q.send(message.peer, message.data)
