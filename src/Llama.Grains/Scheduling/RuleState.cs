using System.Runtime.InteropServices;
using Llama.Grains.Generation;
using Llama.Model;
using Llama.Model.Grammars;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Scheduling;

/// <summary>Puts the rules of a sequence into the steps that sample from it: everything that they ask for at a position, from the tokens so far.</summary>
internal sealed class RuleState
{
    private readonly TokenRules rules;
    private readonly Penalties penalties;
    private readonly TokenBias[] biases;
    private readonly byte[] mask;
    private readonly int vocabSize;
    private readonly int[] ends;
    private readonly int[][] badWords;
    private readonly List<int> denied = [];

    /// <summary>Prepares what does not change from step to step.</summary>
    /// <param name="request">The request, checked.</param>
    /// <param name="rules">Its rules.</param>
    /// <param name="config">The model.</param>
    public RuleState(GenerationRequest request, TokenRules rules, ModelConfig config)
    {
        this.rules = rules;
        penalties = new Penalties(rules.PresencePenalty, rules.FrequencyPenalty, rules.RepetitionPenalty);
        biases = [.. rules.Biases];
        badWords = [.. rules.BadWords.Select(word => word.ToArray())];
        ends = [.. (request.IgnoreEndTokens ? [] : config.EndTokens).Union(request.StopTokens)];
        vocabSize = config.VocabSize;
        mask = rules.AllowedTokens.Count == 0 ? [] : TokenMask.Of(rules.AllowedTokens, vocabSize);
    }

    /// <summary>Adds what the rules ask for to the sequence that was added to a step last.</summary>
    /// <param name="step">The step.</param>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="answer">Tokens of the answer so far.</param>
    /// <param name="grammar">The mask of its grammar; empty for none.</param>
    public void Add(Step step, ReadOnlySpan<int> prompt, ReadOnlySpan<int> answer, ReadOnlySpan<byte> grammar)
    {
        if (penalties != new Penalties(0, 0, 1)) AddPenalties(step, prompt, answer);
        if (biases.Length > 0) step.AddBiases(biases);
        AddMask(step, grammar);
        denied.Clear();
        if (answer.Length < rules.MinTokens) denied.AddRange(ends);
        foreach (int[] word in badWords)
        {
            if (answer.EndsWith(word.AsSpan(0, word.Length - 1))) denied.Add(word[^1]);
        }

        if (denied.Count > 0) step.AddDenied(CollectionsMarshal.AsSpan(denied));
    }

    /// <summary>An answer never leaves its grammar, also where that allows none of the allowed tokens.</summary>
    private void AddMask(Step step, ReadOnlySpan<byte> grammar)
    {
        if (mask.Length == 0 || grammar.IsEmpty)
        {
            ReadOnlySpan<byte> only = grammar.IsEmpty ? mask : grammar;
            if (!only.IsEmpty) step.AddMask(only);
            return;
        }

        byte[] both = TokenMask.Both(mask, grammar, vocabSize);
        step.AddMask(TokenMask.IsEmpty(both) ? grammar : both);
    }

    private void AddPenalties(Step step, ReadOnlySpan<int> prompt, ReadOnlySpan<int> answer)
    {
        int left = rules.PenaltyRange == TokenRules.All ? int.MaxValue : rules.PenaltyRange;
        answer = answer[^Math.Min(left, answer.Length)..];
        left -= answer.Length;

        // Only the repetition penalty looks at the prompt.
        prompt = penalties.Repetition == 1 ? [] : prompt[^Math.Min(left, prompt.Length)..];
        step.AddPenalties(penalties, prompt, answer);
    }
}
