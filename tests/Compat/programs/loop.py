# One loop: server and clients over the loopback, timers, threads, a child.
import asyncio, hashlib, sys


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(hashlib.sha256(line).hexdigest().encode() + b"\n")
        await writer.drain()
    writer.close()


async def ask(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    digest = b"%d" % number
    for _ in range(1000):
        writer.write(digest + b"\n")
        digest = (await reader.readline()).strip()
    writer.close()
    return digest.decode()


def compute(number):
    for _ in range(600000):
        number = (number * 1103515245 + 12345) % (1 << 31)
    return number


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ticks = []

    async def tick():
        while True:
            await asyncio.sleep(0.01)
            ticks.append(1)

    ticker = asyncio.create_task(tick())
    print(await asyncio.gather(*(ask(port, n) for n in range(10))))
    print(await asyncio.gather(*(asyncio.to_thread(compute, n) for n in range(20))))
    child = await asyncio.create_subprocess_exec("sort", "-n", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate("".join(f"{i * 7919 % 10007}\n" for i in range(10007)).encode())
    print(hashlib.sha256(out).hexdigest(), child.returncode)
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.5)
    except asyncio.TimeoutError:
        print("timed out")
    ticker.cancel()
    server.close()
    print(len(ticks) > 10)
    return 14


sys.exit(asyncio.run(main()))
