using System.Text;

namespace Llama.Bench.Fuzz;

/// <summary>A request that is good, to be mutated.</summary>
/// <param name="Method">Its method; <c>gRPC</c> for a call.</param>
/// <param name="Path">Its path.</param>
/// <param name="Body">Its body as JSON; for a call the message.</param>
internal sealed record FuzzSeed(string Method, string Path, byte[] Body)
{
    /// <summary>The method of a call.</summary>
    public const string Rpc = "gRPC";
}

/// <summary>Good requests, one at least for each route that is not a page, and for each call.</summary>
internal static class FuzzSeeds
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<FuzzSeed> All { get; } =
    [
        Post("/v1/completions", """{"prompt":"Once upon","max_tokens":6,"temperature":0.8,"top_p":0.9,"top_k":40,"min_p":0.05,"seed":7,"stop":["x","yz"],"n":2,"logprobs":2,"echo":false}"""),
        Post("/v1/completions", """{"prompt":[1,2,3],"max_tokens":4,"stream":true,"stream_options":{"include_usage":true},"logit_bias":{"5":-100},"bad_words":["the"],"min_tokens":2,"priority":1}"""),
        Post("/v1/completions", """{"prompt":["a","b"],"max_tokens":4,"presence_penalty":1,"frequency_penalty":0.5,"repetition_penalty":1.2,"repeat_last_n":8,"stop_token_ids":[3],"allowed_token_ids":[4,5,6],"best_of":2,"timeout":5}"""),
        Post("/v1/completions", """{"prompt":"a","max_tokens":8,"structured_outputs":{"regex":"[a-c]{2,6}"},"suffix":""}"""),
        Post("/v1/chat/completions", """{"model":null,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hi"}]}],"max_completion_tokens":6,"logprobs":true,"top_logprobs":3}"""),
        Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":12,"stream":true,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","properties":{"a":{"type":"integer","minimum":0,"maximum":99}},"required":["a"],"additionalProperties":false}}}}"""),
        Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":8,"grammar":"root ::= \"a\" root | \"b\"","user":"me","metadata":{"k":"v"}}"""),
        Post("/v1/embeddings", """{"input":["Once","upon a time"],"encoding_format":"base64","pooling":"last","user":"me"}"""),
        Post("/v1/embeddings", """{"input":[1,2,3],"timeout":5}"""),
        Post("/v1/completions", """{"prompt":"Once upon","max_tokens":3,"prompt_logprobs":2,"echo":true,"logprobs":1}"""),
        Post("/tokenize", """{"prompt":"Once upon a time","add_special_tokens":true}"""),
        Post("/tokenize", """{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}"""),
        Post("/detokenize", """{"tokens":[1,2,3]}"""),
        Post("/apply-template", """{"messages":[{"role":"user","content":"Hi"}]}"""),
        Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"O"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}],"max_tokens":8}"""),
        Post("/v1/responses", """{"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}],"instructions":"I","max_output_tokens":6,"text":{"format":{"type":"json_object"}},"store":false}"""),
        Post("/v1/responses", """{"input":"Hi","max_output_tokens":4,"stream":true,"tools":[{"type":"function","name":"f"}],"tool_choice":"auto"}"""),
        Get("/v1/responses/resp_0"),
        new("DELETE", "/v1/responses/resp_0", []),
        Post("/v1/messages", """{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"system":"S","max_tokens":6,"stop_sequences":["x"],"tools":[{"name":"f","input_schema":{"type":"object"}}]}"""),
        Post("/v1/messages", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":6,"stream":true}"""),
        Post("/v1/messages/count_tokens", """{"messages":[{"role":"user","content":"Hi"}]}"""),
        Post("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"options":{"num_predict":6,"temperature":0.5,"top_k":5,"repeat_penalty":1.1,"seed":3,"stop":["x"]},"format":"json","keep_alive":"5m"}"""),
        Post("/api/chat", """{"messages":[{"role":"user","content":"Hi"}],"stream":false,"options":{"num_predict":4},"tools":[{"type":"function","function":{"name":"f"}}]}"""),
        Post("/api/generate", """{"prompt":"Hi","system":"S","stream":false,"options":{"num_predict":4,"num_ctx":32}}"""),
        Post("/api/show", """{"model":"tinystories:latest"}"""),
        Post("/api/embed", """{"model":"tinystories","input":["Hi","you"],"truncate":false}"""),
        Get("/api/tags"),
        Get("/api/ps"),
        Get("/api/version"),
        Get("/v1/models"),
        Get("/v1/models/tinystories"),
        Get("/props"),
        Get("/health"),
        Get("/v1/health"),
        Get("/readyz"),
        Get("/livez"),
        Get("/cluster"),
        Get("/cluster/plan"),
        Get("/metrics"),
        Get("/openapi/v1.json"),
        Get("/scalar"),
        Get("/"),
        Post("/cluster/rebalance", "{}"),
        Post("/cluster/drain/nobody", "{}"),
        new("DELETE", "/cluster/drain/nobody", []),
        Call("Inference/Generate", Text(2, "Once upon"), Number(10, 6), Real(12, 0.8f), Number(16, 7), Text(17, "x")),
        Call("Inference/Generate", Packed(3, 1, 2, 3), Number(10, 4), Packed(30, 3), Text(35, "root ::= [a-z]+")),
        Call("Inference/Chat", Nested(2, Text(1, "user"), Text(2, "Hi")), Number(10, 6), Number(6, 1), Number(7, 2)),
        Call("Inference/Tokenize", Text(2, "Once")),
        Call("Inference/Detokenize", Packed(2, 1, 2)),
        Call("Inference/Embed", Text(2, "Once"), Text(2, "upon"), Text(4, "last")),
        Call("Inference/ListModels"),
        Call("Cluster/Status"),
        Call("Cluster/Plan"),
        Call("Cluster/Drain", Text(1, "nobody")),
        Call("Cluster/Rebalance"),
        new(FuzzSeed.Rpc, "/grpc.health.v1.Health/Check", []),
        Post("/infill", """{"input_prefix":"int f(","input_suffix":") {","prompt":"a","input_extra":[{"filename":"a.c","text":"int g;"}],"n_predict":4,"top_k":5}"""),
    ];

    private static FuzzSeed Get(string path) => new("GET", path, []);

    private static FuzzSeed Post(string path, string body) => new("POST", path, Encoding.UTF8.GetBytes(body));

    private static FuzzSeed Call(string name, params byte[][] fields) => new(FuzzSeed.Rpc, $"/llama.v1.{name}", [.. fields.SelectMany(field => field)]);

    // Protobuf's wire format: a key of number and type, then the value (protobuf.dev, Encoding).
    private static byte[] Text(int field, string text) => Bytes(field, Encoding.UTF8.GetBytes(text));

    private static byte[] Nested(int field, params byte[][] fields) => Bytes(field, [.. fields.SelectMany(one => one)]);

    private static byte[] Packed(int field, params int[] values) => Bytes(field, [.. values.SelectMany(value => Varint((ulong)value))]);

    private static byte[] Bytes(int field, byte[] value) => [.. Varint(((ulong)field << 3) | 2), .. Varint((ulong)value.Length), .. value];

    private static byte[] Number(int field, long value) => [.. Varint((ulong)field << 3), .. Varint((ulong)value)];

    private static byte[] Real(int field, float value) => [.. Varint(((ulong)field << 3) | 5), .. BitConverter.GetBytes(value)];

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }
}
