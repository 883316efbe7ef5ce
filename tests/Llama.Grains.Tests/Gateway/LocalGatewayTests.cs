using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

public sealed class LocalGatewayTests
{
    private static readonly GenerationRequest Good = new() { PromptTokens = [1, 2, 3], MaxTokens = 5 };

    public static TheoryData<string, GenerationRequest> Faults => new()
    {
        { "The prompt is empty", Good with { PromptTokens = [] } },
        { "The prompt has 256 tokens; expected fewer than 256", Good with { PromptTokens = [.. Enumerable.Repeat(1, 256)] } },
        { "The prompt has token 1024; expected 0 to 1023", Good with { PromptTokens = [1, 1024] } },
        { "The prompt has token -1; expected 0 to 1023", Good with { PromptTokens = [-1] } },
        { "5 tokens behind a prompt of 3 are resumed; expected fewer than 5", Good with { ResumedTokens = Resumed(5) } },
        { "253 tokens behind a prompt of 3 are resumed", Good with { MaxTokens = null, ResumedTokens = Resumed(253) } },
        { "Token 1024 is resumed with finish", Good with { ResumedTokens = [new GeneratedToken(new TokenLogprob(1024, 0), [], null)] } },
        { "with finish 'Stop'", Good with { ResumedTokens = [new GeneratedToken(new TokenLogprob(5, 0), [], FinishReason.Stop)] } },
        { "The limit is 0 tokens", Good with { MaxTokens = 0 } },
        { "The limit is -2147483648 tokens", Good with { MaxTokens = int.MinValue } },
        { "21 topLogprobs were asked for; expected 0 to 20", Good with { TopLogprobs = 21 } },
        { "-1 topLogprobs", Good with { TopLogprobs = -1 } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { Temperature = -0.1f } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { Temperature = float.NaN } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { Temperature = float.PositiveInfinity } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { TopP = 0 } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { TopP = float.NaN } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { MinP = float.NaN } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { MinP = 1.1f } } },
        { "out of bounds", Good with { Sampling = new SamplingParameters { TopK = -1 } } },
        { "A token of 1024 or more is to end the answer", Good with { StopTokens = [5, 1024] } },
        { "The penalties are out of bounds", Good with { Rules = new TokenRules { RepetitionPenalty = 0 } } },
        { "The penalties are out of bounds", Good with { Rules = new TokenRules { PresencePenalty = float.NaN } } },
        { "The penalties are out of bounds", Good with { Rules = new TokenRules { PenaltyRange = -2 } } },
        { "Infinity is added to the logit of token 5", Good with { Rules = new TokenRules { Biases = [new TokenBias(5, float.PositiveInfinity)] } } },
        { "A rule is about token 1024", Good with { Rules = new TokenRules { Biases = [new TokenBias(1024, 1)] } } },
        { "A rule is about token -1", Good with { Rules = new TokenRules { AllowedTokens = [-1] } } },
        { "A rule is about token 1024", Good with { Rules = new TokenRules { BadWords = [[5, 1024]] } } },
        { "A bad word has no tokens", Good with { Rules = new TokenRules { BadWords = [[]] } } },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public async Task GenerateAsync_RequestThatCanNeverBeServed_IsInvalidAndSaysWhy(string expected, GenerationRequest request)
    {
        await using var cluster = new TestCluster(TestModel.TinyStories);
        GenerationException fault = await Assert.ThrowsAsync<GenerationException>(() => cluster.GenerateAsync(request).Soon());
        Assert.Equal(GenerationError.Invalid, fault.Error);
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GenerateAsync_ExtremesThatAreAllowed_AreServed()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 1);
        GenerationRequest[] requests =
        [
            Good with { MaxTokens = int.MaxValue, IgnoreEndTokens = true },
            Good with { PromptTokens = [.. Enumerable.Repeat(1, 255)], IgnoreEndTokens = true },
            Good with
            {
                Sampling = new SamplingParameters { Temperature = 999, TopP = float.Epsilon, MinP = 1, TopK = int.MaxValue },
                Seed = ulong.MaxValue,
            },
            Good with { Sampling = new SamplingParameters { Temperature = float.Epsilon, TopP = 2 }, TopLogprobs = 20 },
        ];
        List<int>[] generated = await Task.WhenAll(requests.Select(request => cluster.GenerateAsync(request))).Soon();
        Assert.Equal([253, 1], generated.Take(2).Select(tokens => tokens.Count));
        Assert.All(generated.Skip(2), tokens => Assert.InRange(tokens.Count, 1, 5));
    }

    [Fact]
    public async Task Status_ReadyCluster_SaysWhatIsWhere()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        ClusterStatus status = cluster.Status;
        Assert.Equal(
            ("test", true, (string?)null, 1ul, 256),
            (status.Model, status.Ready, status.Reason, status.Epoch, status.MaxSequenceTokens));
        PipelineStatus pipeline = Assert.Single(status.Pipelines);
        Assert.Equal(0, pipeline.Replica);
        Assert.True(pipeline.Blocks > 0);
        Assert.Equal(pipeline.Blocks, pipeline.FreeBlocks);
        Assert.Equal([0, 3, 6], (int[])[.. pipeline.Stages[0].Layers, pipeline.Stages[1].Layers[1]]);
        Assert.All(pipeline.Stages, stage => Assert.Equal(("ready", Environment.ProcessId), (stage.State, stage.ProcessId)));
    }

    private static GeneratedToken[] Resumed(int count) => [.. Enumerable.Repeat(new GeneratedToken(new TokenLogprob(5, 0), [], null), count)];

    /// <summary>The HTTP side asks several times a request whether the model answers, and how long a sequence may be.</summary>
    [Fact]
    public async Task Summary_NothingHasChanged_AllocatesNothing()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2, replicas: 2);
        GatewaySummary before = cluster.Gateway.Summary;
        Assert.Equal(new GatewaySummary(null, TestModel.TinyStories.Config.ContextLength, cluster.Gateway.Status.Pipelines[0].Profile), before);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) Assert.Same(before, cluster.Gateway.Summary);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }
}
