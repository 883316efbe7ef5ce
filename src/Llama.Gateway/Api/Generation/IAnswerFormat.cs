using System.Text.Json;
using Llama.Gateway.Api.Tools;

namespace Llama.Gateway.Api.Generation;

/// <summary>Wherein completions and chats write the same answer differently.</summary>
internal interface IAnswerFormat
{
    /// <summary>How an answer's id begins.</summary>
    string IdPrefix { get; }

    /// <summary>The <c>object</c> of a whole answer.</summary>
    string WholeObject { get; }

    /// <summary>The <c>object</c> of a part of a stream.</summary>
    string PartObject { get; }

    /// <summary>Whether <c>prompt_token_ids</c> stands in the choice rather than beside the choices.</summary>
    bool PromptInChoice { get; }

    /// <summary>Writes a choice's text.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="text">The text.</param>
    /// <param name="reasoning">What the model thought before it.</param>
    /// <param name="calls">Its calls of tools.</param>
    /// <param name="part">Which part of the choice it is.</param>
    void WriteText(Utf8JsonWriter json, string text, string reasoning, IReadOnlyList<WrittenCall> calls, AnswerPart part);

    /// <summary>Writes the log-probabilities of tokens.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="pieces">The tokens' pieces.</param>
    void WriteLogProbabilities(Utf8JsonWriter json, IReadOnlyList<ChoicePiece> pieces);
}

/// <summary>A part of a call as an answer has it.</summary>
/// <param name="Id">The call's id, in its first part; null in later ones.</param>
/// <param name="Part">The part.</param>
internal readonly record struct WrittenCall(string? Id, ToolCallPart Part);

/// <summary>A part of a choice.</summary>
internal enum AnswerPart
{
    /// <summary>All of it.</summary>
    Whole,

    /// <summary>The first part of a stream.</summary>
    First,

    /// <summary>A later part of a stream.</summary>
    Later,
}
