using System.Text.Json;
using Llama.Grains.Generation;
using Llama.Model.Grammars;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;

namespace Llama.Grains.Tests.Gateway;

/// <summary>Answers that follow a grammar, over real links: they end, they are valid, and a stage or a gateway that is lost changes nothing.</summary>
public sealed class GrammarRecoveryTests
{
    private const string Schema = """
        {"type":"object","properties":{"name":{"type":"string","minLength":3,"maxLength":20},"scores":{"type":"array","items":{"type":"integer",
        "minimum":100,"maximum":99999},"minItems":6,"maxItems":9}},"required":["name","scores"],"additionalProperties":false}
        """;

    [Fact]
    public async Task GenerateAsync_AStageIsLostOrTheAnswerResumed_TheSameValidAnswer()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 3, spares: 1);
        foreach (ulong seed in (ulong[])[1, 2, 3])
        {
            GenerationRequest request = Request(cluster.Model, Schema, seed);
            List<GeneratedToken> undisturbed = await RunAsync(cluster, request);
            Assert.Equal(FinishReason.Stop, undisturbed[^1].Finish);
            using JsonDocument answer = JsonDocument.Parse(Text(cluster.Model, undisturbed));
            Assert.InRange(answer.RootElement.GetProperty("name").GetString()!.EnumerateRunes().Count(), 3, 20);
            Assert.All(answer.RootElement.GetProperty("scores").EnumerateArray(), score => Assert.InRange(score.GetInt32(), 100, 99999));

            List<GeneratedToken> resumed = await RunAsync(cluster, request with { ResumedTokens = [.. undisturbed.Take(9)] });
            Assert.Equal(Bits(undisturbed), Bits(resumed));

            if (seed > 1) continue;
            List<GeneratedToken> disturbed = await RunAsync(cluster, request, at => at == 8 ? cluster.KillAsync("silo-2") : Task.CompletedTask);
            Assert.Equal(Bits(undisturbed), Bits(disturbed));
        }
    }

    [Fact]
    public async Task GenerateAsync_BesideFreeText_TheFreeTextStaysTheSame()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        GenerationRequest free = cluster.Model.Request(0) with { MaxTokens = 60 };
        List<GeneratedToken> alone = await RunAsync(cluster, free);
        List<GeneratedToken>[] together = await Task.WhenAll(
            RunAsync(cluster, free), RunAsync(cluster, Request(cluster.Model, Schema, 5)), RunAsync(cluster, free)).Soon();
        Assert.Equal(Bits(alone), Bits(together[0]));
        Assert.Equal(Bits(alone), Bits(together[2]));
    }

    [Fact]
    public async Task GenerateAsync_ResumedWithTokensThatTheGrammarDoesNotAllow_IsInvalid()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 1);
        GenerationRequest request = Request(cluster.Model, Schema, 1);
        var wrong = new GeneratedToken(new TokenLogprob(cluster.Model.Text.EndTokens[0], 0), [], null);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => RunAsync(cluster, request with { ResumedTokens = [wrong] }));
        Assert.Equal(GenerationError.Invalid, fault.Error);
    }

    private static GenerationRequest Request(TestModel model, string schema, ulong seed) => new()
    {
        PromptTokens = model.Golden[0].Prompt,
        MaxTokens = 150,
        Seed = seed,
        Sampling = new SamplingParameters { Temperature = 1 },
        Grammar = new AnswerGrammar(GrammarKind.JsonSchema, schema, StartsText: true),
        StopTokens = model.Text.EndTokens,
    };

    private static string Text(TestModel model, List<GeneratedToken> tokens) =>
        model.Text.Vocabulary!.Decode(tokens.SkipLast(1).Select(token => token.Sampled.Token));

    private static IEnumerable<(int, int)> Bits(List<GeneratedToken> tokens) =>
        tokens.Select(token => (token.Sampled.Token, BitConverter.SingleToInt32Bits(token.Sampled.LogProbability)));

    private static async Task<List<GeneratedToken>> RunAsync(TestCluster cluster, GenerationRequest request, Func<int, Task>? atToken = null)
    {
        var tokens = new List<GeneratedToken>();
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token))
        {
            tokens.Add(token);
            if (atToken is not null) await atToken(tokens.Count);
        }

        return tokens;
    }
}
