# SPDX-License-Identifier: BSD-2-Clause
"""aio.py - two VMs in one event loop: one answers, the other asks three times at once."""

import asyncio

import vmq


async def serve(q: vmq.Queue) -> None:
    async for message in q:  # until the Queue is closed
        await q.asend(message.peer, message.data.upper())


async def main() -> None:
    with vmq.open("sim:aio?name=server") as server, vmq.open("sim:aio?name=client") as client:
        serving = asyncio.ensure_future(serve(server))
        await asyncio.gather(*(client.asend("server", text) for text in (b"one", b"two", b"three")))
        for _ in range(3):
            message = await client.arecv()
            print(message.data.decode())
        server.close()
        await serving


asyncio.run(main())
