using Llama.Model.Grammars;

namespace Llama.Grains.Generation;

/// <summary>A grammar that an answer follows.</summary>
/// <param name="Kind">Its language.</param>
/// <param name="Text">Its text.</param>
/// <param name="StartsText">Whether the answer begins a text, so that the space before its first token is no part of it.</param>
[GenerateSerializer, Immutable, Alias("llama.answer-grammar")]
public sealed record AnswerGrammar(
    [property: Id(0)] GrammarKind Kind, [property: Id(1)] string Text, [property: Id(2)] bool StartsText);
