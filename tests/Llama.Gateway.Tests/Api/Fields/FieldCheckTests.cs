using Llama.Gateway.Tests.Hosting;

namespace Llama.Gateway.Tests.Api.Fields;

public sealed class FieldCheckTests(SharedGateway shared) : IClassFixture<SharedGateway>
{
    private const string Completions = "/v1/completions";
    private const string Chat = "/v1/chat/completions";

    [Theory]
    [InlineData(Completions, """{"prompt":"a","temprature":0}""", "temprature", "is not a field of /v1/completions; did you mean temperature?")]
    [InlineData(Completions, """{"prompt":"a","maxTokens":1}""", "maxTokens", "did you mean max_tokens?")]
    [InlineData(Completions, """{"prompt":"a","Seed":1}""", "Seed", "did you mean seed?")]
    [InlineData(Completions, """{"prompt":"a","unheard_of":[1]}""", "unheard_of", "; docs/api.md lists its fields.")]
    [InlineData(Completions, """{"prompt":"a","frequency_penaltyy":1}""", "frequency_penaltyy", "did you mean frequency_penalty?")]
    [InlineData(Completions, """{"prompt":"a","messages":[]}""", "messages", "; it is a field of /v1/chat/completions.")]
    [InlineData(Chat, """{"prompt":"a"}""", "prompt", "; it is a field of /v1/completions.")]
    [InlineData("/detokenize", """{"prompt":"a"}""", "prompt", "; it is a field of /v1/completions.")]
    [InlineData("/tokenize", """{"prompt":"a","tokens":[1]}""", "tokens", "; it is a field of /detokenize.")]
    [InlineData(
        Completions, """{"prompt":"a","stream_options":{"include_usages":true}}""", "stream_options.include_usages",
        "is not a field of stream_options; did you mean include_usage?")]
    [InlineData(
        Chat, """{"messages":[{"role":"user","contents":"a"}]}""", "messages[0].contents",
        "is not a field of messages[]; did you mean content?")]
    [InlineData(
        "/tokenize", """{"messages":[{"role":"user","content":[{"type":"text","txt":"a"}]}]}""", "messages[0].content[0].txt",
        "is not a field of messages[].content[]; did you mean text?")]
    public async Task Post_UnknownField_Answers400WithWhatMayBeMeant(string path, string json, string param, string message) =>
        (await shared.Gateway.PostErrorAsync(path, json)).Is(400, param, $"{param} ", "unknown_parameter", message);

    [Theory]
    [InlineData(Completions, """{"prompt":"a","seed":1,"seed":2}""", "seed")]
    [InlineData(Completions, """{"prompt":"a","seed":1,"s\u0065ed":1}""", "seed")]
    [InlineData(Completions, """{"prompt":"a","prompt":null}""", "prompt")]
    [InlineData(Completions, """{"prompt":"a","stream_options":{"include_usage":true,"include_usage":true}}""", "stream_options.include_usage")]
    [InlineData(Chat, """{"messages":[{"role":"system","role":"user","content":"a"}]}""", "messages[0].role")]
    public async Task Post_FieldTwice_Answers400NamingIt(string path, string json, string param) =>
        (await shared.Gateway.PostErrorAsync(path, json)).Is(400, param, $"{param} is given twice; expected once.");

    [Fact]
    public async Task Post_NullOfAnUnknownField_AsksForNothing() =>
        await shared.Gateway.PostOkAsync(Completions, """{"prompt":"a","unheard_of":null,"temprature":null}""");

    [Fact]
    public async Task Post_LongUnknownName_IsShownInPart()
    {
        var error = await shared.Gateway.PostErrorAsync(Completions, $$"""{"prompt":"a","{{new string('x', 1 << 20)}}":1}""");
        error.Is(400, $"{new string('x', 64)}…", "is not a field of /v1/completions", "unknown_parameter");
    }

    [Theory]
    [InlineData("""{"prompt":"a","max_tokens":3,"max_completion_tokens":4}""", "max_completion_tokens", "found 4 and max_tokens = 3")]
    [InlineData("""{"prompt":"a","n":2,"best_of":1}""", "best_of", "found 1 with n = 2")]
    public async Task Post_FieldsThatContradict_Answers400(string json, string param, string message) =>
        (await shared.Gateway.PostErrorAsync(Completions, json)).Is(400, param, message);

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"A"}],"prompt":"A"}""", "prompt", "beside messages")]
    [InlineData("""{"messages":[{"role":"user","content":"A"}],"add_special_tokens":true}""", "add_special_tokens", "beside messages")]
    public async Task Tokenize_FieldsThatContradict_Answers400(string json, string param, string message) =>
        (await shared.Gateway.PostErrorAsync("/tokenize", json)).Is(400, param, message);

    [Theory]
    [InlineData("""{"prompt":"a","max_tokens":3,"max_completion_tokens":3,"best_of":2,"n":2,"logprobs":false}""")]
    [InlineData("""{"prompt":"a","temperature":1.0,"top_p":1,"frequency_penalty":0.0,"presence_penalty":-0.0,"length_penalty":1e0}""")]
    public async Task Post_FieldsThatAgreeOrAskForNothing_IsAnswered(string json) => await shared.Gateway.PostOkAsync(Completions, json);

    [Fact]
    public async Task Post_UnknownFieldsAreIgnored_PassWhileWhatIsNotSupportedDoesNot()
    {
        await using var gateway = await TestGateway.StartAsync(new TestTokenizer(), ignoreUnknownFields: true);
        await gateway.PostOkAsync(Completions, """{"prompt":"a","temprature":0,"messages":[],"stream_options":{"x":1}}""");
        await gateway.PostOkAsync(Chat, """{"messages":[{"role":"user","content":[{"type":"text","text":"a","x":1}],"x":1}],"x":1}""");
        var refused = await gateway.PostErrorAsync(Completions, """{"prompt":"a","x":1,"prediction":"b"}""");
        refused.Is(400, "prediction", "prediction is not supported", "unsupported_parameter");
        (await gateway.PostErrorAsync(Completions, """{"prompt":"a","x":1,"x":2}""")).Is(400, "x", "x is given twice");
        (await gateway.PostErrorAsync(Completions, """{"prompt":"a","x":1,"seed":"y"}""")).Is(400, "seed", "seed must be an integer");
    }
}
