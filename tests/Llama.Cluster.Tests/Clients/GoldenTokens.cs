using System.Text.Json;

namespace Llama.Cluster.Tests.Clients;

/// <summary>What a reference implementation generates by argmax, from the JSON files beside the checkpoints.</summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="Greedy">What follows.</param>
internal sealed record GoldenTokens(IReadOnlyList<int> Prompt, IReadOnlyList<int> Greedy)
{
    /// <summary>Asks for as many tokens as are known.</summary>
    public TokenRequest Request => new() { Prompt = Prompt, MaxTokens = Greedy.Count };

    /// <summary>Reads a file with one or several results.</summary>
    /// <param name="file">The file.</param>
    /// <param name="greedyField">The field of the generated tokens.</param>
    public static IReadOnlyList<GoldenTokens> Read(string file, string greedyField = "greedy")
    {
        JsonElement root = JsonElement.Parse(File.ReadAllText(file));
        IEnumerable<JsonElement> results = root.ValueKind == JsonValueKind.Array ? root.EnumerateArray() : [root];
        return [.. results.Select(result => new GoldenTokens(Ids(result, "tokens"), Ids(result, greedyField)))];
    }

    private static List<int> Ids(JsonElement result, string field) => [.. result.GetProperty(field).EnumerateArray().Select(id => id.GetInt32())];
}
