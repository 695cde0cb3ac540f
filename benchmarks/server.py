"""A chat-completions server on loopback with a fixed latency and concurrency, in its own process.

with serve(latency=0.2, places=64) as url: …
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STEPS = "[Meta-reasoning 1]: Choose a.\n[Sub-problem 1]: What is a?\n[Answer 1]: 1"


@contextmanager
def serve(latency: float, places: int) -> Iterator[str]:
    """The URL of a server in another process, so that its work is not counted as the client's."""
    command = [sys.executable, __file__, "--latency", str(latency), "--places", str(places)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def reply(request: dict) -> str:
    """Steps for a segmentation, a pass for a verification, yes for a match (no if it has a "~").

    A GSRM's path that is written as steps is its own segmentation.
    """
    text = request["messages"][0]["content"]
    if "You check whether" in text:
        return "Verdict: pass"
    if "yes or no" in text:
        return "no" if "~" in text else "yes"
    own = text.find("[Meta-reasoning 1]: ")
    return text[own:] if own >= 0 and text.startswith("Convert this reasoning") else STEPS


async def main(latency: float, places: int) -> None:
    gate = asyncio.Semaphore(places)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                if head.startswith(b"get"):
                    answer = {
                        "object": "list",
                        "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}],
                    }
                else:
                    async with gate:
                        await asyncio.sleep(latency)
                    message = {"role": "assistant", "content": reply(json.loads(body))}
                    answer = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
                    answer["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
                    answer["usage"] = {
                        "prompt_tokens": length // 4,
                        "completion_tokens": 30,
                        "total_tokens": 30 + length // 4,
                    }
                data = json.dumps(answer).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(data) + data
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=4096, limit=2**24)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1#m", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float)
    parser.add_argument("--places", type=int)
    options = parser.parse_args()
    asyncio.run(main(options.latency, options.places))
