using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>A step with the sequences that it carries, in the step's order.</summary>
internal sealed class Batch
{
    /// <summary>The step.</summary>
    public Step Step { get; } = new();

    /// <summary>Its sequences.</summary>
    public List<Sequence> Sequences { get; } = [];

    /// <summary>Tokens in it that belong to prompts.</summary>
    public int PromptTokens { get; set; }

    /// <summary>Whether it rebuilds blocks in some layers, and nothing else.</summary>
    public bool Rebuilds => Step.EndLayer != int.MaxValue;

    /// <summary>Whether sequences decode in it, beside prompts or alone.</summary>
    public bool Decodes => PromptTokens < Step.Tokens.Length;

    /// <summary>When it was sent (the engine's clock).</summary>
    public long SentAt { get; set; }

    /// <summary>Whether no other step was in flight when it was sent.</summary>
    public bool SentAlone { get; set; }

    /// <summary>Empties it for another step.</summary>
    public void Begin(ulong epoch, ulong number)
    {
        Step.Clear();
        (Step.Epoch, Step.Number) = (epoch, number);
        Sequences.Clear();
        PromptTokens = 0;
    }
}
