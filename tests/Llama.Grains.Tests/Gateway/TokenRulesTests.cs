using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

/// <summary>What rules do to the answers of a model in two stages.</summary>
public sealed class TokenRulesTests
{
    [Fact]
    public async Task GenerateAsync_EachRule_DoesWhatItSays()
    {
        await using TestCluster cluster = await TestCluster.StartAsync(TestModel.TinyStories, 2);
        GenerationRequest request = TestModel.TinyStories.Request(0) with { MaxTokens = 24 };
        int[] plain = [.. TestModel.TinyStories.Golden[0].Greedy.Take(24)];
        Assert.Equal(plain, await AnswerAsync(request));
        Assert.NotEqual(plain.Distinct(), plain);

        int[] penalised = await AnswerAsync(request with { Rules = new TokenRules { FrequencyPenalty = 1000 } });
        Assert.Equal(penalised.Distinct(), penalised);
        Assert.Equal(plain[0], penalised[0]);

        int[] repetition = await AnswerAsync(request with { Rules = new TokenRules { RepetitionPenalty = 1000 } });
        Assert.Empty(repetition.Intersect(request.PromptTokens));

        Assert.All(await AnswerAsync(request with { Rules = new TokenRules { Biases = [new TokenBias(77, 100)] } }), token => Assert.Equal(77, token));

        int[] allowed = [.. Enumerable.Range(300, 50)];
        Assert.Subset(allowed.ToHashSet(), (await AnswerAsync(request with { Rules = new TokenRules { AllowedTokens = allowed } })).ToHashSet());

        int[] without = await AnswerAsync(request with { Rules = new TokenRules { BadWords = [[plain[0], plain[1]]] } });
        Assert.Equal(plain[0], without[0]);
        Assert.DoesNotContain((plain[0], plain[1]), without.Zip(without.Skip(1)));

        int first = Array.IndexOf(plain, plain[5]);
        GenerationRequest stopping = request with { StopTokens = [plain[5]] };
        Assert.Equal(plain[..(first + 1)], await AnswerAsync(stopping));
        int[] late = await AnswerAsync(stopping with { Rules = new TokenRules { MinTokens = 20 } });
        Assert.Equal(plain[..first], late[..first]);
        Assert.DoesNotContain(plain[5], late[..20]);

        async Task<int[]> AnswerAsync(GenerationRequest asked)
        {
            var tokens = new List<int>();
            await foreach (GeneratedToken token in cluster.Gateway.GenerateAsync(asked, Patience.Token)) tokens.Add(token.Sampled.Token);
            return [.. tokens];
        }
    }
}
