using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api.Completions;

/// <summary>Reads the prompts of a completion: a text, a list of token ids, or a list of either.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a prompt may be.</param>
internal sealed class Prompts(ServedModel model, GenerationPlanner planner)
{
    private static readonly string Field = RequestFields.Prompt.Name;
    private static readonly string Expected = RequestFields.Prompt.Expected;

    /// <summary>
    /// Reads the prompts as token ids. A text gets what the checkpoint puts around a prompt, or where there is a suffix what the model knows a gap by;
    /// a list of ids is taken as it is.
    /// </summary>
    /// <param name="fields">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">There is none, or it is none of the forms.</exception>
    public async ValueTask<IReadOnlyList<IReadOnlyList<int>>> ReadAsync(JsonFields fields, CancellationToken cancellationToken)
    {
        var beginOfText = fields.Get(RequestFields.AddSpecialTokens) ?? true;
        var suffix = ReadSuffix(fields);
        var prompt = fields.Require(RequestFields.Prompt);
        if (prompt.ValueKind == JsonValueKind.String) return [await ReadTextAsync(prompt, Field, beginOfText, suffix, cancellationToken)];
        if (prompt.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(Field, prompt, Expected);

        var count = prompt.GetArrayLength();
        if (count == 0) throw ApiException.Invalid(Field, $"prompt is empty; expected {Expected}.");
        if (prompt[0].ValueKind == JsonValueKind.Number) return [ReadTokens(prompt, Field, suffix)];
        if (count > GenerationParameters.MaxChoices)
            throw ApiException.Invalid(Field, $"prompt may have at most {GenerationParameters.MaxChoices} prompts; found {count}.");
        var prompts = new List<IReadOnlyList<int>>(count);
        foreach (var element in prompt.EnumerateArray())
            prompts.Add(await ReadOneAsync(element, $"{Field}[{prompts.Count}]", beginOfText, suffix, cancellationToken));
        return prompts;
    }

    /// <summary>Tokens that end the answer because of what it is: what fills a gap ends where another file would begin.</summary>
    /// <param name="fields">The request.</param>
    public IReadOnlyList<int> EndTokensOf(JsonFields fields) => ReadSuffix(fields) is null ? [] : model.InfillEndTokens ?? [];

    /// <summary>The text behind a gap that the answer fills; null where it goes on behind the prompt.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="ApiException">It is beside a field that contradicts it.</exception>
    private static string? ReadSuffix(JsonFields fields)
    {
        if (fields.Get(RequestFields.Suffix) is not { Length: > 0 } suffix) return null;
        foreach (var other in new[] { RequestFields.Echo, RequestFields.AddSpecialTokens })
        {
            if (fields.Get(other) is { } value && value == (other == RequestFields.Echo))
                throw ApiException.Invalid(other.Name, $"{other.Name} must not be {(value ? "true" : "false")} beside suffix, which says how the prompt is written.");
        }

        return suffix;
    }

    private ValueTask<IReadOnlyList<int>> ReadOneAsync(
        JsonElement element, string path, bool beginOfText, string? suffix, CancellationToken cancellationToken) => element.ValueKind switch
    {
        JsonValueKind.String => ReadTextAsync(element, path, beginOfText, suffix, cancellationToken),
        JsonValueKind.Array => new(ReadTokens(element, path, suffix)),
        _ => throw JsonFields.Wrong(path, element, "a string or a list of token ids", Field),
    };

    private ValueTask<IReadOnlyList<int>> ReadTextAsync(
        JsonElement element, string path, bool beginOfText, string? suffix, CancellationToken cancellationToken)
    {
        var text = element.GetString()!;
        if (suffix is not null)
        {
            planner.CheckText(text + suffix, Field);
            return model.EncodeAsync(new InfillPrompt(text, suffix, []), RequestFields.Suffix.Name, cancellationToken);
        }

        if (text.Length == 0) throw ApiException.Invalid(Field, $"{path} is empty; expected some text.");
        planner.CheckText(text, Field);
        return model.EncodeAsync(text, beginOfText, Field, cancellationToken);
    }

    private int[] ReadTokens(JsonElement element, string path, string? suffix)
    {
        if (suffix is not null) throw ApiException.Invalid(Field, $"{path} must be a string beside suffix; found a list of token ids.");
        var tokens = TokenIds.Read(element, path, Field, model.VocabSize);
        return tokens.Length > 0 ? tokens : throw ApiException.Invalid(Field, $"{path} is empty; expected at least one token id.");
    }
}
