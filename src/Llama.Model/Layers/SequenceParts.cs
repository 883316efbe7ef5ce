using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>What the parts of a step say of one sequence.</summary>
internal readonly ref struct SequenceParts
{
    /// <summary>What is done to the logits that it samples from.</summary>
    public LogitChanges Changes { get; init; }

    /// <summary>Which tokens of its prompt are told with their log-probabilities.</summary>
    public PromptRows PromptLogprobs { get; init; }

    /// <summary>Whose hidden states are added up.</summary>
    public StateRows StateSum { get; init; }

    /// <summary>Whether the output at one of its tokens in the step is asked for, besides what it samples.</summary>
    /// <param name="token">The token, counted from its first in the step.</param>
    public bool AskFor(int token) => PromptLogprobs.Contains(token) || StateSum.Contains(token);
}

/// <summary>Tokens of a prompt that are told with their log-probabilities.</summary>
/// <param name="topLogprobs">How many of the most probable tokens are told with each.</param>
/// <param name="first">The token before the first of them, counted from the sequence's first in the step.</param>
/// <param name="tokens">The tokens.</param>
public readonly ref struct PromptRows(int topLogprobs, int first, ReadOnlySpan<int> tokens)
{
    /// <summary>How many of the most probable tokens are told with each.</summary>
    public int TopLogprobs { get; } = topLogprobs;

    /// <summary>After which of the sequence's tokens in the step the first of them comes; the others follow.</summary>
    public int First { get; } = first;

    /// <summary>The tokens.</summary>
    public ReadOnlySpan<int> Tokens { get; } = tokens;

    /// <summary>Whether one of them comes after a token of the step.</summary>
    /// <param name="token">The token, counted from the sequence's first.</param>
    public bool Contains(int token) => token >= First && token - First < Tokens.Length;

    /// <summary>Reads what a part holds; its length was checked.</summary>
    /// <param name="contents">Its contents.</param>
    public static PromptRows Read(ReadOnlySpan<byte> contents)
    {
        ReadOnlySpan<int> numbers = StepParts.Numbers(contents);
        return new PromptRows(numbers[0], numbers[1], numbers[2..]);
    }
}

/// <summary>Tokens of a step whose hidden states are added up.</summary>
/// <param name="First">The first of them, counted from the sequence's first in the step.</param>
/// <param name="Count">How many.</param>
public readonly record struct StateRows(int First, int Count)
{
    /// <summary>Whether a token of the step is one of them.</summary>
    /// <param name="token">The token, counted from the sequence's first.</param>
    public bool Contains(int token) => token >= First && token - First < Count;

    /// <summary>Reads what a part holds; its length was checked.</summary>
    /// <param name="contents">Its contents.</param>
    public static StateRows Read(ReadOnlySpan<byte> contents)
    {
        ReadOnlySpan<int> numbers = StepParts.Numbers(contents);
        return new StateRows(numbers[0], numbers[1]);
    }
}
