"""Drives the test server with grpcio, another implementation of gRPC. Knows no .proto: it asks the server's reflection for them.
Usage: client.py PORT SOCKET DIRECTORY (with ca.pem, node.pem, node.key). Prints `ok NAME` for each check that holds."""
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

port, socket, directory = sys.argv[1:4]
DEADLINE = 20


def read(name):
    with open(f"{directory}/{name}", "rb") as file:
        return file.read()


def secure(certificate=True):
    credentials = grpc.ssl_channel_credentials(
        read("ca.pem"), read("node.key") if certificate else None, read("node.pem") if certificate else None)
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, [("grpc.ssl_target_name_override", "localhost")])


def raw(channel, kind, path):
    """A call of bytes."""
    return getattr(channel, kind)(path, request_serializer=None, response_deserializer=None)


def field(number, data):
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def fields(data):
    """The length-delimited fields of a message, as (number, bytes)."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(data):
        key = varint()
        if key & 7 == 2:
            length = varint()
            yield key >> 3, data[position:position + length]
            position += length
        else:
            varint()


def reflect(channel, version, request):
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    answers = list(raw(channel, "stream_stream", path)(iter([request]), timeout=DEADLINE))
    assert len(answers) == 1
    return dict(fields(answers[0]))


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error
    raise AssertionError(f"no failure where {code} was expected")


def ok(name):
    print("ok", name, flush=True)


channel = secure()
pool = descriptor_pool.DescriptorPool()
for version in ("v1", "v1alpha"):
    services = [value.decode() for _, entry in fields(reflect(channel, version, field(7, b""))[6]) for _, value in fields(entry)]
    assert {"openmosix.test.Echo", "grpc.health.v1.Health", f"grpc.reflection.{version}.ServerReflection"} <= set(services), services
    assert 7 in reflect(channel, version, field(4, b"no.such.Symbol"))
    for symbol in (b"openmosix.test.Echo", b"grpc.health.v1.Health.Check"):
        for _, file in fields(reflect(channel, version, field(4, symbol))[4]):
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
    ok(f"reflection {version}")

factory = message_factory.MessageFactory(pool)
Request, Reply, Block = (factory.GetPrototype(pool.FindMessageTypeByName(f"openmosix.test.{name}")) for name in ("EchoRequest", "EchoReply", "Block"))
HealthRequest, HealthResponse = (
    factory.GetPrototype(pool.FindMessageTypeByName(f"grpc.health.v1.HealthCheck{name}")) for name in ("Request", "Response"))


def method(channel, kind, name, reply=Reply):
    return getattr(channel, kind)(f"/openmosix.test.Echo/{name}", request_serializer=Request.SerializeToString, response_deserializer=reply.FromString)


say = method(channel, "unary_unary", "Say")
reply = say(Request(text="héllo"), timeout=DEADLINE)
assert (reply.text, reply.peer) == ("héllo", "pc2"), reply
ok("unary")

reply = method(channel, "stream_unary", "Collect")((Request(text=str(i)) for i in range(100)), timeout=DEADLINE)
assert reply.text == ",".join(map(str, range(100)))
ok("client streaming")

texts = [reply.text for reply in method(channel, "unary_stream", "Repeat")(Request(text="x", times=500), timeout=DEADLINE)]
assert texts == [f"x {i}" for i in range(500)]
ok("server streaming")

requests = [Request(text=str(i)) for i in range(200)]
assert [reply.text for reply in method(channel, "stream_stream", "Talk")(iter(requests), timeout=DEADLINE)] == [r.text for r in requests]
ok("duplex")

offset = 0
for block in method(channel, "unary_stream", "Bytes", Block)(Request(times=64), timeout=DEADLINE):
    assert (block.offset, block.sum) == (offset, len(block.data))
    assert block.data == bytes((o * 31 ^ o >> 8) & 255 for o in range(offset, offset + len(block.data)))
    offset += len(block.data)
assert offset > 100_000
ok("raw frames")

text = "y" * 3_000_000
assert say(Request(text=text), timeout=DEADLINE).text == text
ok("large messages")

error = fails(grpc.StatusCode.FAILED_PRECONDITION, lambda: say(Request(behaviour="fail"), timeout=DEADLINE))
assert error.details() == "Schlüssel 100% 鍵\nweg", error.details()
assert ("why", "asked") in [tuple(entry) for entry in error.trailing_metadata()]
ok("status, detail and trailers")

error = fails(grpc.StatusCode.FAILED_PRECONDITION, lambda: list(
    method(channel, "unary_stream", "Repeat")(Request(times=2, behaviour="fail"), timeout=DEADLINE)))
ok("status after messages")

fails(grpc.StatusCode.UNKNOWN, lambda: say(Request(behaviour="throw"), timeout=DEADLINE))
ok("handler fails")

_, call = say.with_call(Request(behaviour="metadata"), timeout=DEADLINE, metadata=(("hello", "world"), ("raw-bin", b"\x01\x02\xfa")))
assert ("seen", "world") in [tuple(entry) for entry in call.initial_metadata()]
assert ("last-bin", b"\x01\x02\xfa") in [tuple(entry) for entry in call.trailing_metadata()]
ok("metadata")

fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: say(Request(behaviour="wait"), timeout=0.1))
ok("deadline")

stream = method(channel, "unary_stream", "Repeat")(Request(times=1, behaviour="wait"), timeout=DEADLINE)
next(stream)
stream.cancel()
fails(grpc.StatusCode.CANCELLED, lambda: next(stream))
ok("cancellation")

fails(grpc.StatusCode.UNIMPLEMENTED, lambda: method(channel, "unary_unary", "Unbound")(Request(), timeout=DEADLINE))
fails(grpc.StatusCode.UNIMPLEMENTED, lambda: raw(channel, "unary_unary", "/no.such.Service/Method")(b"", timeout=DEADLINE))
ok("unimplemented")

fails(grpc.StatusCode.UNIMPLEMENTED, lambda: say(Request(text="z" * 1000), timeout=DEADLINE, compression=grpc.Compression.Gzip))
ok("compression is declined")

fails(grpc.StatusCode.INTERNAL, lambda: raw(channel, "unary_unary", "/openmosix.test.Echo/Say")(b"\x0a\xff", timeout=DEADLINE))
ok("malformed message")

check = channel.unary_unary(
    "/grpc.health.v1.Health/Check", request_serializer=HealthRequest.SerializeToString, response_deserializer=HealthResponse.FromString)
assert check(HealthRequest(service="openmosix.test.Echo"), timeout=DEADLINE).status == 1
assert check(HealthRequest(), timeout=DEADLINE).status == 1
fails(grpc.StatusCode.NOT_FOUND, lambda: check(HealthRequest(service="none"), timeout=DEADLINE))
watch = channel.unary_stream(
    "/grpc.health.v1.Health/Watch", request_serializer=HealthRequest.SerializeToString, response_deserializer=HealthResponse.FromString)
stream = watch(HealthRequest(service="none"), timeout=DEADLINE)
assert next(stream).status == 3
stream.cancel()
ok("health")

stranger = secure(certificate=False)
assert method(stranger, "unary_unary", "Anybody")(Request(text="in"), timeout=DEADLINE).text == "in"
fails(grpc.StatusCode.UNAUTHENTICATED, lambda: method(stranger, "unary_unary", "Say")(Request(), timeout=DEADLINE))
ok("no certificate")

local = grpc.insecure_channel(f"unix:{socket}")
reply = method(local, "unary_unary", "Say")(Request(text="here"), timeout=DEADLINE)
assert reply.text == "here" and reply.uid != 2**32 - 1
ok("unix socket")
