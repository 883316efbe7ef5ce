using Llama.Gateway.Api.Tools;
using Llama.Grains.Generation;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Api.Generation;

/// <summary>What one token adds to a choice.</summary>
/// <param name="Choice">The choice's index.</param>
/// <param name="Position">The token's number in the choice, from 0.</param>
/// <param name="Token">The token.</param>
/// <param name="Text">The text that is certain since this token; may be empty, and may belong to earlier tokens.</param>
/// <param name="Reasoning">The same of what the model thinks before it answers; empty where that is not told apart.</param>
/// <param name="ReasoningTokens">How many more tokens are known to be reasoning.</param>
/// <param name="TextOffset">Where the token's own text begins in the choice's text, in Unicode characters.</param>
/// <param name="Finish">Why the choice is complete, on its last piece: <c>stop</c>, <c>length</c> or <c>tool_calls</c>.</param>
internal sealed record ChoicePiece(int Choice, int Position, GeneratedToken Token, string Text, string Reasoning, int ReasoningTokens, int TextOffset, string? Finish)
{
    /// <summary>Some more of the calls of tools that the choice has.</summary>
    public IReadOnlyList<ToolCallPart> Calls { get; init; } = [];
}

/// <summary>Turns the tokens of one choice into pieces.</summary>
/// <param name="choice">The choice's index.</param>
/// <param name="decoder">Turns tokens into text; null for a model without a tokenizer.</param>
/// <param name="stops">Ends the text.</param>
/// <param name="minTokens">So many tokens it lets pass.</param>
/// <param name="echo">The text that it begins with.</param>
/// <param name="reasoning">How it is divided; null for a text without reasoning. Stop strings end it wherever they stand.</param>
/// <param name="format">How calls are found in what is no reasoning; null for a text without calls.</param>
internal sealed class ChoiceText(
    int choice, StreamingDecoder? decoder, StopMatcher stops, int minTokens, string echo, ChoiceReasoning? reasoning, ToolCallFormat? format)
{
    private readonly ToolCallSplitter? calls = format is null ? null : new ToolCallSplitter(format);
    private readonly ReasoningSplitter? splitter = reasoning is null ? null : new ReasoningSplitter(reasoning);
    private readonly ReasoningCounter? counter = reasoning is null ? null : new ReasoningCounter(reasoning);
    private int position;
    private int offset = CharactersOf(echo);

    /// <summary>The piece of the next token. After one with a finish no more follow.</summary>
    /// <param name="token">The token.</param>
    public ChoicePiece Append(GeneratedToken token)
    {
        var start = offset;
        var finish = token.Finish;
        var decoded = Decode(token.Sampled.Token, finish);
        var reasoned = counter?.Append(decoded) ?? 0;
        var text = position >= minTokens ? stops.Append(decoded) : decoded;
        if (finish is not null) text += stops.Flush();
        if (position == 0) text = echo + text;
        if (stops.Stopped) finish = FinishReason.Stop;
        var (thought, content) = Split(text, finish is not null);
        (content, var parts) = SplitCalls(content, finish is not null);

        // Nothing follows the call of an answer that has only one.
        if (calls is { IsComplete: true }) finish ??= FinishReason.Stop;
        return new ChoicePiece(choice, position++, token, content, thought, reasoned, start, NameOf(finish)) { Calls = parts };
    }

    private string? NameOf(FinishReason? finish) => finish switch
    {
        FinishReason.Stop when calls is { HasCalls: true } => "tool_calls",
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        _ => null,
    };

    private (string Reasoning, string Content) Split(string text, bool isLast)
    {
        if (splitter is null) return ("", text);
        var (thought, content) = splitter.Append(text);
        if (!isLast) return (thought, content);
        var rest = splitter.Flush();
        return (thought + rest.Reasoning, content + rest.Content);
    }

    private (string Content, IReadOnlyList<ToolCallPart> Calls) SplitCalls(string text, bool isLast)
    {
        if (calls is null) return (text, []);
        var (content, parts) = calls.Append(text);
        if (!isLast) return (content, parts);
        var rest = calls.Flush();
        return (content + rest.Content, ToolCallPart.Join([.. parts, .. rest.Calls]));
    }

    private string Decode(int token, FinishReason? finish)
    {
        if (decoder is null) return "";

        // An end token ends the text and is none of it.
        var text = finish == FinishReason.Stop ? "" : reasoning?.Marks.MarkOf(token) ?? format?.Form.MarkOf(token) ?? decoder.Append(token);
        if (finish is not null) text += decoder.Flush();
        offset += CharactersOf(text);
        return text;
    }

    /// <summary>Unicode characters of a text.</summary>
    /// <param name="text">The text.</param>
    public static int CharactersOf(string text) => text.Count(character => !char.IsLowSurrogate(character));
}
