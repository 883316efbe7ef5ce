using Llama.Grains.Generation;
using Llama.Grains.Scheduling;
using Llama.Model.Checkpoints;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;

namespace Llama.Grains.Tests.Gateway;

/// <summary>The same request gives the same tokens and the same bits of every log-probability, whatever the scheduler makes of it.</summary>
public sealed class SameBitsTests
{
    [Theory]
    [InlineData(1, 256, 400, ElementType.F32)]
    [InlineData(2, 16, 400, ElementType.F32)]
    [InlineData(3, 48, 30, ElementType.Q8_0)]
    [InlineData(4, null, 20, ElementType.F16)]
    public async Task GenerateAsync_AmongOthersWithPrefixHitsAndPreemption_HasTheBitsThatItHasAlone(
        int silos, int? stepTokens, int blocks, ElementType kvType)
    {
        List<GenerationRequest> requests = [.. Enumerable.Range(0, 33).Select(MakeRequest)];
        List<List<TokenLogprob>> alone = [];
        await using (TestCluster cluster = await StartAsync(1, new SchedulerLimits { StepTokens = 256 }, 400, kvType))
        {
            // Each on its own, so that nothing but the cached beginnings of the prompts is shared; the first finds none.
            foreach (GenerationRequest request in requests) alone.Add(await GenerateAsync(cluster, request).Soon());
        }

        await using (TestCluster cluster = await StartAsync(silos, new SchedulerLimits { StepTokens = stepTokens }, blocks, kvType))
        {
            Assert.Equal(Math.Min(256, blocks * 16), cluster.Status.MaxSequenceTokens);
            Assert.Equal(alone[0], await GenerateAsync(cluster, requests[0]).Soon());
            List<TokenLogprob>[] together = await Task.WhenAll(requests.Select(request => GenerateAsync(cluster, request))).Soon();
            for (int i = 0; i < requests.Count; i++) Assert.Equal(alone[i], together[i]);
        }
    }

    [Fact]
    public async Task GenerateAsync_SamePromptAgain_ReportsCachedTokensAndHasTheSameBits()
    {
        await using TestCluster cluster = await StartAsync(2, new SchedulerLimits(), 100, ElementType.F32);
        GenerationRequest request = MakeRequest(0);
        List<TokenLogprob> first = await GenerateAsync(cluster, request).Soon();
        var cached = new HashSet<int>();
        var second = new List<TokenLogprob>();
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token))
        {
            second.AddRange([token.Sampled, .. token.TopLogprobs]);
            cached.Add(token.CachedTokens);
        }

        Assert.Equal(first, second);
        Assert.Equal(request.PromptTokens.Count - 1, Assert.Single(cached));
    }

    [Theory]
    [InlineData(1, ElementType.F32)]
    [InlineData(3, ElementType.Q8_0)]
    public async Task GenerateAsync_SomeTokensAreResumed_GoesOnWithTheBitsOfTheOthersAndTheSameCachedTokens(int silos, ElementType kvType)
    {
        List<GenerationRequest> requests = [.. Enumerable.Range(0, 12).Select(MakeRequest)];
        List<GeneratedToken>[] alone = new List<GeneratedToken>[requests.Count];
        await using (TestCluster cluster = await StartAsync(1, new SchedulerLimits(), 400, kvType))
        {
            for (int i = 0; i < alone.Length; i++) alone[i] = await CollectAsync(cluster, requests[i]).Soon();
        }

        await using (TestCluster cluster = await StartAsync(silos, new SchedulerLimits(), 400, kvType))
        {
            int[] known = [.. requests.Select((_, i) => (i * 4) + 1)];
            List<GeneratedToken>[] goneOn = await Task.WhenAll(requests.Select(
                (request, i) => CollectAsync(cluster, request with { ResumedTokens = alone[i][..known[i]] }))).Soon();
            for (int i = 0; i < alone.Length; i++)
            {
                Assert.Equal(Bits(alone[i]), Bits(goneOn[i]));
                Assert.Equal(alone[i].Select(token => token.CachedTokens), goneOn[i].Select(token => token.CachedTokens));
            }

            int sampled = alone.Sum(tokens => tokens.Count) - known.Sum();
            await Patience.UntilAsync(
                () => cluster.Status.Pipelines[0].SampledTokens == sampled, () => $"{cluster.Status.Pipelines[0].SampledTokens} of {sampled}");
        }

        static IEnumerable<object> Bits(List<GeneratedToken> tokens) =>
            tokens.Select(token => (object)(token.Finish, string.Join(' ', [token.Sampled, .. token.TopLogprobs])));
    }

    private static Task<TestCluster> StartAsync(int silos, SchedulerLimits limits, int blocks, ElementType kvType)
    {
        int layers = (TestModel.TinyStories.Config.Layers + silos - 1) / silos;
        using Checkpoint checkpoint = TestModel.TinyStories.Open();
        long blockBytes = layers * new CpuDevice(1).Offer(checkpoint, kvType).KvBlockBytes;
        return TestCluster.StartAsync(TestModel.TinyStories, silos, limits: limits, kvMemory: blocks * blockBytes, kvType: kvType);
    }

    /// <summary>Prompts of up to 90 tokens, of which every fourth begins alike.</summary>
    private static GenerationRequest MakeRequest(int number)
    {
        IReadOnlyList<int> story = [.. TestModel.TinyStories.Golden[number % 2].Prompt, .. TestModel.TinyStories.Golden[number % 2].Greedy];
        return new GenerationRequest
        {
            PromptTokens = [.. story.Take(30 + (number % 4)), .. story.Take(number % 4 * 15)],
            MaxTokens = 40 + number,
            Sampling = new SamplingParameters { Temperature = number % 3 * 0.6f },
            Seed = (ulong)number,
            IgnoreEndTokens = true,
            TopLogprobs = number % 4,
            Rules = number % 3 == 0 ? null : MakeRules(number),
            StopTokens = number % 3 == 1 ? [story[3]] : [],
        };
    }

    /// <summary>Rules that act on texts of this model: what repeats itself without them does so less.</summary>
    private static TokenRules MakeRules(int number) => new()
    {
        PresencePenalty = number % 2 * 0.5f,
        FrequencyPenalty = 0.25f,
        RepetitionPenalty = number % 4 == 0 ? 1 : 1.25f,
        PenaltyRange = number % 5 == 0 ? 20 : TokenRules.All,
        Biases = [new TokenBias(number, 2)],
        AllowedTokens = number % 7 == 0 ? [.. Enumerable.Range(200, 800)] : [],
        BadWords = [[300 + number], [.. TestModel.TinyStories.Golden[0].Greedy.Take(2)]],
        MinTokens = 30,
    };

    private static async Task<List<TokenLogprob>> GenerateAsync(TestCluster cluster, GenerationRequest request) =>
        [.. (await CollectAsync(cluster, request)).SelectMany(token => (TokenLogprob[])[token.Sampled, .. token.TopLogprobs])];

    private static async Task<List<GeneratedToken>> CollectAsync(TestCluster cluster, GenerationRequest request)
    {
        var tokens = new List<GeneratedToken>();
        await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(request, Patience.Token)) tokens.Add(token);
        return tokens;
    }
}
