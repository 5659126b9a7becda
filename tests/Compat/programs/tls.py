# sys.argv[1]: server, for ten connections, one thread each; or client.
import hashlib, os, socket, ssl, sys, threading

if sys.argv[1] == "server":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    with open("port.new", "w") as port:
        port.write(str(listener.getsockname()[1]))
    os.rename("port.new", "port")

    def serve(connection, totals):
        with context.wrap_socket(connection, server_side=True) as tls:
            total, digest = 0, hashlib.sha256()
            while data := tls.recv(65536):
                digest.update(data)
                total += len(data)
                tls.sendall(digest.digest())
            totals.append(total)

    totals, threads = [], []
    for _ in range(10):
        thread = threading.Thread(target=serve, args=(listener.accept()[0], totals))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    print("served", sum(totals))
else:
    context = ssl.create_default_context(cafile="cert.pem")
    with open("port") as port:
        address = ("127.0.0.1", int(port.read()))

    def ask(number, results):
        with socket.create_connection(address) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
            digest = hashlib.sha256()
            for turn in range(800):
                data = (b"%d %d " % (number, turn)) * 800
                tls.sendall(data)
                digest.update(data)
                answer = b""
                # The server may have seen the data in several pieces: the last answer is of all of it.
                while not answer.endswith(digest.digest()):
                    answer += tls.recv(4096)
            results[number] = (digest.hexdigest(), tls.version(), tls.cipher()[0])

    results = {}
    threads = [threading.Thread(target=ask, args=(number, results)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in sorted(results):
        print(number, *results[number])
