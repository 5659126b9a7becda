# Gossip with a daemon, as python3-grpcio speaks gRPC: with a certificate of the cluster, then without. Messages are written by hand
# (GossipMessage.from is field 1), so that no generated code is needed.
import sys

import grpc

target, directory, name = sys.argv[1:4]


def read(file):
    with open(f"{directory}/{file}", "rb") as f:
        return f.read()


def gossip(credentials):
    options = [("grpc.ssl_target_name_override", name)]
    with grpc.secure_channel(target, credentials, options) as channel:
        call = channel.unary_unary("/openmosix.v1.Cluster/Gossip", request_serializer=bytes, response_deserializer=bytes)
        sender = sys.argv[4].encode()
        return call(bytes([0x0A, len(sender)]) + sender, timeout=20)


answer = gossip(grpc.ssl_channel_credentials(read("ca.crt"), read("node.key"), read("node.crt")))
length = answer[1]
print("from", answer[2 : 2 + length].decode())
try:
    gossip(grpc.ssl_channel_credentials(read("ca.crt")))
    print("let in")
except grpc.RpcError as e:
    print("refused", e.code().name)
