"""A question by OpenAI's package, answered as a stream.

    pip install openai
    python3 openai_chat.py http://localhost:8080/v1 "Tell me a story."
"""
import os
import sys

from openai import OpenAI

address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080/v1"
question = sys.argv[2] if len(sys.argv) > 2 else "Tell me a story."

client = OpenAI(base_url=address, api_key=os.environ.get("LLAMA_API_KEY", "none"))
stream = client.chat.completions.create(
    model=client.models.list().data[0].id,
    messages=[{"role": "user", "content": question}],
    temperature=0.7,
    stream=True,
    stream_options={"include_usage": True},
    extra_body={"min_p": 0.05},
)
for part in stream:
    if part.usage:
        print(f"\n{part.usage.prompt_tokens} + {part.usage.completion_tokens} tokens")
    elif part.choices:
        print(part.choices[0].delta.content or "", end="", flush=True)
