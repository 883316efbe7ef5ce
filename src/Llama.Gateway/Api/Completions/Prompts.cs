using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api.Completions;

/// <summary>Reads prompts: a text, a list of token ids, or a list of either.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a prompt may be.</param>
internal sealed class Prompts(ServedModel model, GenerationPlanner planner)
{
    /// <summary>
    /// Reads the prompts as token ids. A text gets what the checkpoint puts around a prompt, or where there is a suffix what the model knows a gap by;
    /// a list of ids is taken as it is.
    /// </summary>
    /// <param name="fields">The request.</param>
    /// <param name="field">The field that holds them.</param>
    /// <param name="most">Most prompts.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">There is none, or it is none of the forms.</exception>
    public async ValueTask<IReadOnlyList<IReadOnlyList<int>>> ReadAsync(
        JsonFields fields, HonouredField<JsonElement?> field, int most, CancellationToken cancellationToken)
    {
        var (name, expected) = (field.Name, field.Expected);
        var around = new Around(fields.Get(RequestFields.AddSpecialTokens) ?? true, ReadSuffix(fields));
        var prompt = fields.Require(field);
        if (prompt.ValueKind == JsonValueKind.String) return [await ReadTextAsync(prompt, name, name, around, cancellationToken)];
        if (prompt.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(name, prompt, expected);

        var count = prompt.GetArrayLength();
        if (count == 0) throw ApiException.Invalid(name, $"{name} is empty; expected {expected}.");
        if (prompt[0].ValueKind == JsonValueKind.Number) return [ReadTokens(prompt, name, name, around)];
        if (count > most) throw ApiException.Invalid(name, $"{name} may have at most {most} elements; found {count}.");
        var prompts = new List<IReadOnlyList<int>>(count);
        foreach (var element in prompt.EnumerateArray())
        {
            var path = $"{name}[{prompts.Count}]";
            prompts.Add(element.ValueKind switch
            {
                JsonValueKind.String => await ReadTextAsync(element, path, name, around, cancellationToken),
                JsonValueKind.Array => ReadTokens(element, path, name, around),
                _ => throw JsonFields.Wrong(path, element, "a string or a list of token ids", name),
            });
        }

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

    private ValueTask<IReadOnlyList<int>> ReadTextAsync(
        JsonElement element, string path, string name, Around around, CancellationToken cancellationToken)
    {
        var text = element.GetString()!;
        if (around.Suffix is { } suffix)
        {
            planner.CheckText(text + suffix, name);
            return model.EncodeAsync(new InfillPrompt(text, suffix, []), RequestFields.Suffix.Name, cancellationToken);
        }

        if (text.Length == 0) throw ApiException.Invalid(name, $"{path} is empty; expected some text.");
        planner.CheckText(text, name);
        return model.EncodeAsync(text, around.BeginOfText, name, cancellationToken);
    }

    private int[] ReadTokens(JsonElement element, string path, string name, Around around)
    {
        if (around.Suffix is not null) throw ApiException.Invalid(name, $"{path} must be a string beside suffix; found a list of token ids.");
        var tokens = TokenIds.Read(element, path, name, model.VocabSize);
        return tokens.Length > 0 ? tokens : throw ApiException.Invalid(name, $"{path} is empty; expected at least one token id.");
    }

    /// <summary>What is put around a text.</summary>
    private readonly record struct Around(bool BeginOfText, string? Suffix);
}
