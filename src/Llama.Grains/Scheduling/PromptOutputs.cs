using System.Runtime.InteropServices;
using Llama.Grains.Generation;
using Llama.Model;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Scheduling;

/// <summary>
/// What the last range is to tell of a sequence's prompt, position by position, and what it has told. What was told is kept when blocks or the
/// pipeline are lost; the rest is computed again, however the prompt is divided then. Positions whose outputs are still to come cannot be taken from
/// the prefix cache, which has keys and values only.
/// </summary>
internal sealed class PromptOutputs
{
    private readonly GenerationRequest request;
    private readonly int end;
    private readonly List<byte> logprobs = [];
    private int asked;
    private int told;
    private long[] sum = [];

    private PromptOutputs(GenerationRequest request)
    {
        this.request = request;
        int prompt = request.PromptTokens.Count;

        // After the last position comes no token of the prompt.
        end = request.Pooling is null ? prompt - 1 : prompt;
        asked = told = request.Pooling == Pooling.Last ? prompt - 1 : 0;
    }

    /// <summary>How many positions from the first may be taken from the cache.</summary>
    public int Skippable => asked < end ? asked : int.MaxValue;

    /// <summary>Whether a pooled state is asked for, and all of it has been told.</summary>
    public bool IsPooled => request.Pooling is not null && told == end;

    /// <summary>What is asked for, as <see cref="GeneratedToken.Prompt"/> has it. All of it has been told.</summary>
    public ReadOnlyMemory<byte> Answer =>
        request.Pooling is null ? logprobs.ToArray() : MemoryMarshal.AsBytes<float>(StateSums.Normalize(sum)).ToArray();

    /// <summary>The outputs that a request asks for; null where it asks for none, or had them with a token that it resumes.</summary>
    /// <param name="request">The request.</param>
    public static PromptOutputs? Of(GenerationRequest request) =>
        request is { PromptLogprobs: null, Pooling: null } || request.ResumedTokens.Count > 0 ? null : new PromptOutputs(request);

    /// <summary>Asks for the outputs that are still to come of the sequence that was added to a step last.</summary>
    /// <param name="step">The step.</param>
    /// <param name="tokens">The sequence's tokens.</param>
    /// <param name="first">Position of its first token in the step.</param>
    /// <param name="next">The position behind its last one there.</param>
    public void AddTo(Step step, ReadOnlySpan<int> tokens, int first, int next)
    {
        int from = Math.Max(first, asked);
        int behind = Math.Min(next, end);
        if (from >= behind) return;
        asked = behind;
        if (request.Pooling is null) step.AddPromptLogprobs(from - first, tokens[(from + 1)..(behind + 1)], request.PromptLogprobs!.Value);
        else step.AddStateSum(from - first, behind - from);
    }

    /// <summary>The pipeline is lost: what was asked for and not told is asked for again.</summary>
    public void Lose() => asked = told;

    /// <summary>Takes what was told in answer to a part of a step.</summary>
    /// <param name="question">The part.</param>
    /// <param name="answer">Contents of the answer, without a fault.</param>
    public void Take(StepPart question, ReadOnlySpan<byte> answer)
    {
        if (request.Pooling is null)
        {
            told += PromptRows.Read(question.Contents).Tokens.Length;
            logprobs.AddRange(answer);
        }
        else
        {
            told += StateRows.Read(question.Contents).Count;
            if (sum.Length == 0) sum = new long[answer.Length / sizeof(long)];
            StateSums.Add(sum, answer);
        }
    }

    /// <summary>Finds the answer to a part of a step that asks for outputs.</summary>
    /// <param name="question">The part.</param>
    /// <param name="answers">Parts of the result; advanced behind the answer.</param>
    /// <param name="config">The model.</param>
    /// <param name="answer">Its contents.</param>
    /// <returns>False when there is none, or it cannot be one: a stage may be broken in any way.</returns>
    public static bool TryFind(StepPart question, scoped ref ReadOnlySpan<byte> answers, ModelConfig config, out ReadOnlySpan<byte> answer)
    {
        bool sums = question.Tag.SequenceEqual(StepParts.StateSum);
        answer = default;
        while (StepParts.TryRead(ref answers, out StepPart part))
        {
            if (part.Sequence != question.Sequence || !part.Tag.SequenceEqual(sums ? ResultParts.StateSum : ResultParts.PromptLogprobs)) continue;
            answer = part.Contents;
            return sums ? answer.Length == StateSums.Bytes(config.Dim) : AreOf(PromptRows.Read(question.Contents), answer, config.VocabSize);
        }

        return false;
    }

    private static bool AreOf(PromptRows rows, ReadOnlySpan<byte> answer, int vocabSize)
    {
        if (PromptLogprobs.FindFault(answer, vocabSize, out int tokens) is not null || tokens != rows.Tokens.Length) return false;
        for (int i = 0; PromptLogprobs.TryRead(ref answer, out PromptLogprob logprob); i++)
        {
            if (logprob.Token.Token != rows.Tokens[i] || logprob.TopLogprobs.Length != Math.Min(rows.TopLogprobs, vocabSize)) return false;
        }

        return true;
    }
}
