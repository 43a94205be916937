"""A WebSocket server by TLS: web-sockets.py ADDRESS PORT CERTIFICATE KEY LOG

Echoes each message, text in two frames if it begins with "split", and logs what it was sent as lines of JSON.
"""

import asyncio
import json
import ssl
import sys

import websockets

address, port, certificate, key, log = sys.argv[1:]


def note(**said):
    with open(log, "a") as lines:
        lines.write(json.dumps(said) + "\n")


async def serve(socket):
    headers = socket.request_headers
    note(authorization=headers.get("Authorization"), extensions=headers.get("Sec-WebSocket-Extensions"))
    async for message in socket:
        text = message if isinstance(message, str) else message.hex()
        note(text=text)
        if text.startswith("split"):
            middle = len(message) // 2
            await socket.send([message[:middle], message[middle:]])
        else:
            await socket.send(message)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with websockets.serve(serve, address, int(port), ssl=context, max_size=None, ping_interval=None):
        await asyncio.Future()


asyncio.run(main())
