using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;

namespace Llama.Gateway.Api.Completions;

/// <summary>Reads prompts: a text, a list of token ids, or a list of either.</summary>
/// <param name="model">The model.</param>
/// <param name="planner">Knows how long a prompt may be.</param>
internal sealed class Prompts(ServedModel model, GenerationPlanner planner)
{
    /// <summary>Reads the prompts as token ids. A text gets what the checkpoint puts around a prompt; a list of ids is taken as it is.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="field">The field that holds them.</param>
    /// <param name="most">Most prompts.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">There is none, or it is none of the forms.</exception>
    public async ValueTask<IReadOnlyList<IReadOnlyList<int>>> ReadAsync(
        JsonFields fields, HonouredField<JsonElement?> field, int most, CancellationToken cancellationToken)
    {
        var (name, expected) = (field.Name, field.Expected);
        var beginOfText = fields.Get(RequestFields.AddSpecialTokens) ?? true;
        var prompt = fields.Require(field);
        if (prompt.ValueKind == JsonValueKind.String) return [await ReadTextAsync(prompt, name, name, beginOfText, cancellationToken)];
        if (prompt.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(name, prompt, expected);

        var count = prompt.GetArrayLength();
        if (count == 0) throw ApiException.Invalid(name, $"{name} is empty; expected {expected}.");
        if (prompt[0].ValueKind == JsonValueKind.Number) return [ReadTokens(prompt, name, name)];
        if (count > most) throw ApiException.Invalid(name, $"{name} may have at most {most} elements; found {count}.");
        var prompts = new List<IReadOnlyList<int>>(count);
        foreach (var element in prompt.EnumerateArray())
        {
            var path = $"{name}[{prompts.Count}]";
            prompts.Add(element.ValueKind switch
            {
                JsonValueKind.String => await ReadTextAsync(element, path, name, beginOfText, cancellationToken),
                JsonValueKind.Array => ReadTokens(element, path, name),
                _ => throw JsonFields.Wrong(path, element, "a string or a list of token ids", name),
            });
        }

        return prompts;
    }

    private ValueTask<IReadOnlyList<int>> ReadTextAsync(
        JsonElement element, string path, string name, bool beginOfText, CancellationToken cancellationToken)
    {
        var text = element.GetString()!;
        if (text.Length == 0) throw ApiException.Invalid(name, $"{path} is empty; expected some text.");
        planner.CheckText(text, name);
        return model.EncodeAsync(text, beginOfText, name, cancellationToken);
    }

    private int[] ReadTokens(JsonElement element, string path, string name)
    {
        var tokens = TokenIds.Read(element, path, name, model.VocabSize);
        return tokens.Length > 0 ? tokens : throw ApiException.Invalid(name, $"{path} is empty; expected at least one token id.");
    }
}
