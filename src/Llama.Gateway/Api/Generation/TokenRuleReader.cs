using System.Globalization;
using System.Text.Json;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Reading;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>Reads what changes the logits from token to token: penalties, biases, tokens and words that are allowed or not, min tokens.</summary>
/// <param name="model">Knows the tokens.</param>
internal sealed class TokenRuleReader(ServedModel model)
{
    private const int MostBiases = 1024;
    private const int MostStopTokens = 256;
    private const int MostBadWords = 32;
    private const double LargestBias = 100;

    /// <summary>Reads the rules; null when the request asks for none.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">A token is none of the model's, or a list is too long.</exception>
    public async ValueTask<TokenRules?> ReadAsync(JsonFields fields, CancellationToken cancellationToken)
    {
        var rules = new TokenRules
        {
            PresencePenalty = (float)(fields.Get(RequestFields.PresencePenalty) ?? 0),
            FrequencyPenalty = (float)(fields.Get(RequestFields.FrequencyPenalty) ?? 0),
            RepetitionPenalty = ReadRepetitionPenalty(fields),
            PenaltyRange = (int)(fields.Get(RequestFields.PenaltyRange) ?? TokenRules.All),
            MinTokens = (int)(fields.Get(RequestFields.MinTokens) ?? 0),
            Biases = fields.Get(RequestFields.LogitBias) is { } biases ? ReadBiases(biases) : [],
            AllowedTokens = ReadTokens(fields, RequestFields.AllowedTokens, model.VocabSize, least: 1),
            BadWords = await ReadBadWordsAsync(fields, cancellationToken),
        };
        return rules is
        {
            PresencePenalty: 0, FrequencyPenalty: 0, RepetitionPenalty: 1, MinTokens: 0, Biases.Count: 0, AllowedTokens.Count: 0, BadWords.Count: 0,
        } ? null : rules;
    }

    /// <summary>Reads the tokens that end an answer besides the model's.</summary>
    /// <param name="fields">The request.</param>
    /// <exception cref="ApiException">One is none of the model's, or they are too many.</exception>
    public IReadOnlyList<int> ReadStopTokens(JsonFields fields) => ReadTokens(fields, RequestFields.StopTokens, MostStopTokens, least: 0);

    private static float ReadRepetitionPenalty(JsonFields fields)
    {
        var (ours, theirs) = (fields.Get(RequestFields.RepetitionPenalty), fields.Get(OllamaFields.RepeatPenalty));
        if (ours is null || theirs is null || ours == theirs) return (float)(ours ?? theirs ?? 1);
        var path = fields.PathOf(OllamaFields.RepeatPenalty);
        throw ApiException.Invalid(path, $"{path} is another name of {RequestFields.RepetitionPenalty.Name}; found {theirs} and {ours}.");
    }

    private int[] ReadTokens(JsonFields fields, HonouredField<JsonElement?> field, int most, int least)
    {
        if (fields.Get(field) is not { } list) return [];
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() < least) throw JsonFields.Wrong(field.Name, list, field.Expected);
        if (list.GetArrayLength() > most)
            throw ApiException.Invalid(field.Name, $"{field.Name} may have at most {most} token ids; found {list.GetArrayLength()}.");
        return TokenIds.Read(list, field.Name, field.Name, model.VocabSize);
    }

    private List<TokenBias> ReadBiases(JsonElement given)
    {
        var field = RequestFields.LogitBias;
        var biases = new List<TokenBias>();
        foreach (var one in given.EnumerateObject())
        {
            var path = FieldCheck.PathOf(field.Name, one.Name);
            if (!int.TryParse(one.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var token) || token >= model.VocabSize)
                throw ApiException.Invalid(field.Name, $"{path} names no token; expected a token id from 0 to {model.VocabSize - 1}.");
            if (one.Value.ValueKind != JsonValueKind.Number || !one.Value.TryGetDouble(out var addend) || !(Math.Abs(addend) <= LargestBias))
                throw JsonFields.Wrong(path, one.Value, $"a number from -{LargestBias} to {LargestBias}", field.Name);
            if (biases.Exists(bias => bias.Token == token)) throw FieldCheck.GivenTwice(path);
            if (biases.Count == MostBiases)
                throw ApiException.Invalid(field.Name, $"{field.Name} may have at most {MostBiases} tokens; found more.");
            biases.Add(new TokenBias(token, (float)addend));
        }

        return biases;
    }

    private async ValueTask<IReadOnlyList<IReadOnlyList<int>>> ReadBadWordsAsync(JsonFields fields, CancellationToken cancellationToken)
    {
        var field = RequestFields.BadWords;
        if (fields.Get(field) is not { } list) return [];
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(field.Name, list, field.Expected);
        if (list.GetArrayLength() > MostBadWords)
            throw ApiException.Invalid(field.Name, $"{field.Name} may have at most {MostBadWords} strings; found {list.GetArrayLength()}.");
        var words = new List<IReadOnlyList<int>>();
        foreach (var element in list.EnumerateArray())
        {
            var text = element.ValueKind == JsonValueKind.String ? element.GetString()!.TrimStart(' ') : "";
            if (text.Length == 0) throw JsonFields.Wrong($"{field.Name}[{words.Count}]", element, "a string that is not empty", field.Name);

            // As in vLLM: a word has other tokens where a space is before it, unless the space is a token of its own or the same ones come out.
            var alone = await model.EncodeAsync(text, addSpecial: false, field.Name, cancellationToken);
            var spaced = await model.EncodeAsync(" " + text, addSpecial: false, field.Name, cancellationToken);
            if (alone.Count > 0) words.Add(alone);
            if (spaced.Count == alone.Count && spaced.Count > 0 && spaced[0] != alone[0]) words.Add(spaced);
        }

        return words;
    }
}
