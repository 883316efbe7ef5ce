"""A question over gRPC, answered as a stream, from the .proto alone.

    pip install grpcio grpcio-tools
    python3 -m grpc_tools.protoc -I ../../protos --python_out=. --grpc_python_out=. llama/v1/inference.proto
    python3 grpc_chat.py localhost:8081 "Tell me a story."
"""
import os
import sys
import uuid

import grpc
from llama.v1 import inference_pb2, inference_pb2_grpc

address = sys.argv[1] if len(sys.argv) > 1 else "localhost:8081"
question = sys.argv[2] if len(sys.argv) > 2 else "Tell me a story."

# A call with the same key, here or at another gateway, gives the same answer from its first token: it may be sent again.
metadata = [("idempotency-key", str(uuid.uuid4()))]
if "LLAMA_API_KEY" in os.environ:
    metadata.append(("authorization", "Bearer " + os.environ["LLAMA_API_KEY"]))

request = inference_pb2.ChatRequest(messages=[inference_pb2.Message(role="user", content=question)], temperature=0.7)
with grpc.insecure_channel(address) as channel:
    stub = inference_pb2_grpc.InferenceStub(channel)
    try:
        for part in stub.Chat(request, metadata=metadata, timeout=60):
            if part.HasField("usage"):
                print(f"\n{part.usage.prompt_tokens} + {part.usage.completion_tokens} tokens")
            else:
                print(part.choice.text, end="", flush=True)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
