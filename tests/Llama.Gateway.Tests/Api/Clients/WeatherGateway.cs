using System.Text.RegularExpressions;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Tests.Api.Clients;

/// <summary>
/// A gateway whose model calls a tool <c>get_weather</c> where it has one, and says what that gave; answers with an object where a grammar is asked
/// for; and says hello to anything else. To a request with the seed 99 it stops after a token.
/// </summary>
internal static partial class WeatherGateway
{
    /// <summary>What the model is asked, to have it call the tool.</summary>
    public const string Question = "What is the weather in Köln?";

    /// <summary>What it says in the end.</summary>
    public const string Answer = "It has 17 degrees in Köln.";

    private const string Place = """{"city":"Köln","degrees":17}""";

    /// <summary>What the tool gives.</summary>
    public static string Weather(string city) => $"17 degrees in {city}";

    /// <summary>Starts one.</summary>
    public static async Task<TestGateway> StartAsync()
    {
        var tokenizer = new TestTokenizer();
        TestGateway gateway = await TestGateway.StartAsync(tokenizer);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        gateway.Grain.Script = request => [.. tokenizer.Encode(AnswerTo(request, tokenizer)), TestTokenizer.End];
        gateway.Grain.BeforeTokenOf = (request, position, ending) =>
            request.Seed == 99 && position == 1 ? Task.Delay(TimeSpan.FromSeconds(20), ending) : Task.CompletedTask;
        return gateway;
    }

    private static string AnswerTo(GenerationRequest request, TestTokenizer tokenizer)
    {
        string prompt = tokenizer.Decode(request.PromptTokens);
        return Result().Match(prompt) is { Success: true } result ? $"It has {result.Groups["text"].Value.Trim('"')}."
            : Tool().Match(prompt) is { Success: true } tool ? $$$"""{"name": "{{{tool.Value}}}", "parameters": {"city": "Köln"}}"""
            : request.Grammar is null ? "Hello."
            : Place;
    }

    [GeneratedRegex(@"The function [\w-]+ returned:\n(?<text>[^<\n]*)")]
    private static partial Regex Result();

    // Semantic Kernel puts the name of a plug-in before it.
    [GeneratedRegex("[\\w-]*get_weather")]
    private static partial Regex Tool();
}
