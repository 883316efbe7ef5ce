using System.Globalization;
using System.Text.Json;
using Llama.Grains.Generation;
using Llama.Model.Sampling;

namespace Llama.Gateway.Api.Generation;

/// <summary>What is told of a prompt's tokens; a choice's first piece has it.</summary>
internal static class PromptTokens
{
    /// <summary>A choice's pieces, where the prompt is echoed beside log-probabilities behind one for each of its tokens.</summary>
    /// <param name="plan">What was asked.</param>
    /// <param name="pieces">The pieces, from the first.</param>
    public static IReadOnlyList<ChoicePiece> Echo(GenerationPlan plan, IReadOnlyList<ChoicePiece> pieces)
    {
        var choice = plan.Choices[pieces[0].Choice];
        if (choice.Echoed.Count == 0) return pieces;
        List<ChoicePiece> all = [];
        var rest = pieces[0].Token.Prompt.Span;
        foreach (var (token, offset) in choice.Echoed)
        {
            var told = all.Count > 0 && PromptLogprobs.TryRead(ref rest, out var logprob)
                ? new GeneratedToken(logprob.Token, First(logprob, plan.Parameters.LogProbabilities ?? 0).ToArray(), null)
                : new GeneratedToken(new TokenLogprob(token, float.NaN), [], null);
            all.Add(new ChoicePiece(pieces[0].Choice, 0, told, "", "", 0, offset, null));
        }

        return [.. all, .. pieces];
    }

    /// <summary>Writes vLLM's <c>prompt_logprobs</c>: for each token of the prompt null, for the first, or an object by token id, its own first.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="model">Names tokens.</param>
    /// <param name="first">The choice's first piece.</param>
    /// <param name="top">How many of the most probable tokens.</param>
    public static void Write(Utf8JsonWriter json, ServedModel model, ChoicePiece first, int top)
    {
        json.WriteStartArray("prompt_logprobs");
        json.WriteNullValue();
        var rest = first.Token.Prompt.Span;
        while (PromptLogprobs.TryRead(ref rest, out var logprob))
        {
            json.WriteStartObject();
            Write(json, model, logprob.Token, logprob.Rank);
            var rank = 0;
            foreach (var other in First(logprob, top))
            {
                rank++;
                if (other.Token != logprob.Token.Token) Write(json, model, other, rank);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>So many of the top logprobs; more may have been asked for, for another field.</summary>
    /// <param name="logprob">The token.</param>
    /// <param name="top">How many.</param>
    public static ReadOnlySpan<TokenLogprob> First(PromptLogprob logprob, int top) =>
        logprob.TopLogprobs[..Math.Min(top, logprob.TopLogprobs.Length)];

    private static void Write(Utf8JsonWriter json, ServedModel model, TokenLogprob logprob, int rank)
    {
        json.WriteStartObject(logprob.Token.ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("logprob", LogProbability.Finite(logprob));
        json.WriteNumber("rank", rank);
        json.WriteString("decoded_token", model.TokenName(logprob.Token));
        json.WriteEndObject();
    }
}
