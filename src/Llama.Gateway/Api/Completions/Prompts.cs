using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Completions;

/// <summary>Reads the prompts of a completion: a text, a list of token ids, or a list of either.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a prompt may be.</param>
internal sealed class Prompts(ServedModel model, GenerationPlanner planner)
{
    private static readonly string Field = RequestFields.Prompt.Name;
    private static readonly string Expected = RequestFields.Prompt.Expected;

    /// <summary>Reads the prompts as token ids. A text gets what the checkpoint puts around a prompt; a list of ids is taken as it is.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">There is none, or it is none of the forms.</exception>
    public async ValueTask<IReadOnlyList<IReadOnlyList<int>>> ReadAsync(JsonFields fields, CancellationToken cancellationToken)
    {
        var beginOfText = fields.Get(RequestFields.AddSpecialTokens) ?? true;
        var prompt = fields.Require(RequestFields.Prompt);
        if (prompt.ValueKind == JsonValueKind.String) return [await ReadTextAsync(prompt, Field, beginOfText, cancellationToken)];
        if (prompt.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, prompt, Expected);

        var count = prompt.GetArrayLength();
        if (count == 0) throw ApiException.Invalid(Field, $"prompt is empty; expected {Expected}.");
        if (prompt[0].ValueKind == JsonValueKind.Number) return [ReadTokens(prompt, Field)];
        if (count > GenerationParameters.MaxChoices)
            throw ApiException.Invalid(Field, $"prompt may have at most {GenerationParameters.MaxChoices} prompts; found {count}.");
        var prompts = new List<IReadOnlyList<int>>(count);
        foreach (var element in prompt.EnumerateArray())
            prompts.Add(await ReadOneAsync(element, $"{Field}[{prompts.Count}]", beginOfText, cancellationToken));
        return prompts;
    }

    private ValueTask<IReadOnlyList<int>> ReadOneAsync(
        JsonElement element, string path, bool beginOfText, CancellationToken cancellationToken) => element.ValueKind switch
    {
        JsonValueKind.String => ReadTextAsync(element, path, beginOfText, cancellationToken),
        JsonValueKind.Array => new(ReadTokens(element, path)),
        _ => throw JsonFields.Wrong(path, element, "a string or a list of token ids", Field),
    };

    private ValueTask<IReadOnlyList<int>> ReadTextAsync(
        JsonElement element, string path, bool beginOfText, CancellationToken cancellationToken)
    {
        var text = element.GetString()!;
        if (text.Length == 0) throw ApiException.Invalid(Field, $"{path} is empty; expected some text.");
        planner.CheckText(text, Field);
        return model.EncodeAsync(text, beginOfText, Field, cancellationToken);
    }

    private int[] ReadTokens(JsonElement element, string path)
    {
        var tokens = TokenIds.Read(element, path, Field, model.VocabSize);
        return tokens.Length > 0 ? tokens : throw ApiException.Invalid(Field, $"{path} is empty; expected at least one token id.");
    }
}
