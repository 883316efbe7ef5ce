using Llama.Model.Sampling;

namespace Llama.Model.Layers;

/// <summary>The tokens of a step whose output is asked for after the last layer of all, in the step's order.</summary>
/// <param name="maxTokens">Most tokens of a step.</param>
internal sealed class WantedRows(int maxTokens)
{
    private readonly WantedRow[] rows = new WantedRow[maxTokens];

    /// <summary>How many they are.</summary>
    public int Count { get; private set; }

    /// <summary>Of how many the logits are asked for.</summary>
    public int ForLogits { get; private set; }

    /// <summary>How many of the step's sequences sample.</summary>
    public int Sampling { get; private set; }

    /// <summary>One of them.</summary>
    /// <param name="row">0 to <see cref="Count"/> - 1.</param>
    public WantedRow this[int row] => rows[row];

    /// <summary>Finds those of a step, which was checked.</summary>
    /// <param name="step">The step.</param>
    public void Find(Step step)
    {
        (Count, ForLogits, Sampling) = (0, 0, 0);
        ReadOnlySpan<byte> parts = step.Parts;
        for (int i = 0; i < step.Sequences.Length; i++)
        {
            StepSequence sequence = step.Sequences[i];
            SequenceParts own = StepParts.Read(ref parts, i);
            Sampling += sequence.Samples ? 1 : 0;
            for (int token = 0; token < sequence.TokenCount; token++)
            {
                bool samples = sequence.Samples && token == sequence.TokenCount - 1;
                if (!samples && !own.AskFor(token)) continue;
                var row = new WantedRow(
                    sequence.TokenOffset + token, samples || own.PromptLogprobs.Contains(token), own.StateSum.Contains(token));
                ForLogits += row.ForLogits ? 1 : 0;
                rows[Count++] = row;
            }
        }
    }
}

/// <summary>A token whose output is asked for.</summary>
/// <param name="Token">Which of the step's tokens.</param>
/// <param name="ForLogits">Whether its logits are asked for.</param>
/// <param name="ForState">Whether its hidden state is.</param>
internal readonly record struct WantedRow(int Token, bool ForLogits, bool ForState);

/// <summary>What the last range makes of a step's <see cref="WantedRows"/>: each row is asked for once at most, in their order.</summary>
internal unsafe interface IRowOutputs
{
    /// <summary>The logits of a row, <c>[vocabSize]</c>, valid until the next call; may be changed.</summary>
    /// <param name="row">Its number.</param>
    float* Logits(int row);

    /// <summary>What was measured of the logits that were asked for last; null where nothing was.</summary>
    LogitMeasure? Measured => null;

    /// <summary>The hidden state of a row after the last norm, valid until the next call.</summary>
    /// <param name="row">Its number.</param>
    ReadOnlySpan<float> State(int row);
}
