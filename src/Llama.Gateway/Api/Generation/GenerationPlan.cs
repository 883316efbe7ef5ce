using System.Diagnostics;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Tools;
using Llama.Grains.Gateway;
using Llama.Grains.Answers;
using Llama.Grains.Generation;
using Llama.Grains.Text;
using Llama.Model.Grammars;

namespace Llama.Gateway.Api.Generation;

/// <summary>Everything that answering one request takes, checked: its choices and how to write them.</summary>
internal sealed record GenerationPlan
{
    /// <summary>The request's parameters.</summary>
    public required GenerationParameters Parameters { get; init; }

    /// <summary>The choices, in the order of their indices: every prompt's choices after one another.</summary>
    public required IReadOnlyList<ChoicePlan> Choices { get; init; }

    /// <summary>Tokens of all prompts, each counted once.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Whether the answer has token ids: when asked for, and when they are all there is.</summary>
    public required bool WithTokenIds { get; init; }

    /// <summary>The same plan, whose choices begin with the tokens of a record.</summary>
    /// <param name="record">The record.</param>
    public GenerationPlan GoOn(AnswerRecord record) => this with
    {
        Choices = [.. Choices.Select((choice, index) => choice with { Request = choice.Request with { ResumedTokens = record.Tokens(index) } })],
    };
}

/// <summary>One choice.</summary>
/// <param name="Request">What the gateway grain is asked.</param>
/// <param name="StartsText">Whether the answer begins a text rather than going on with the prompt's.</param>
/// <param name="Echo">The text that it begins with; empty, or the prompt's.</param>
/// <param name="Echoed">The tokens of that text, where they are told with their log-probabilities; else empty.</param>
/// <param name="Reasoning">How reasoning is told apart; null where none is.</param>
/// <param name="Calls">How calls of tools are found; null where there are none.</param>
internal sealed record ChoicePlan(
    GenerationRequest Request, bool StartsText, string Echo, IReadOnlyList<EchoedToken> Echoed, ChoiceReasoning? Reasoning, ToolCallFormat? Calls);

/// <summary>A token of a prompt that an answer begins with.</summary>
/// <param name="Token">The token.</param>
/// <param name="TextOffset">Where its text begins, in Unicode characters.</param>
internal readonly record struct EchoedToken(int Token, int TextOffset);

/// <summary>Plans the choices of a request.</summary>
/// <param name="model">The model.</param>
/// <param name="gateway">Tells how long a sequence may be.</param>
/// <param name="grammars">Makes the grammars of answers.</param>
/// <param name="random">Samples seeds for requests without one.</param>
internal sealed class GenerationPlanner(ServedModel model, IGateway gateway, Grammars grammars, Random random)
{
    /// <summary>
    /// How many seeds there are to choose from for requests without one, from 0: all that JavaScript reads without rounding, and none is -1.
    /// </summary>
    public const long RandomSeeds = 1L << 53;

    /// <summary>Longest sequence in tokens; before the first plan of the cluster, what the model was made for.</summary>
    public int MaxSequenceTokens => gateway.Summary.MaxSequenceTokens is > 0 and var most ? most : model.ContextLength;

    /// <summary>Plans the choices.</summary>
    /// <param name="prompts">The prompts as token ids.</param>
    /// <param name="parameters">The request's parameters.</param>
    /// <param name="defaultMaxTokens">How many tokens to generate when the request does not say; null for as many as fit.</param>
    /// <param name="isChat">Whether the answer is a message of its own.</param>
    /// <param name="param">The request's field that holds the prompts.</param>
    /// <exception cref="ApiException">A prompt is empty, too long or not of this model, or there are too many.</exception>
    public GenerationPlan Plan(
        IReadOnlyList<IReadOnlyList<int>> prompts, GenerationParameters parameters, int? defaultMaxTokens, bool isChat, string param)
    {
        if (prompts.Count * parameters.Choices > GenerationParameters.MaxChoices)
        {
            throw ApiException.Invalid(
                param,
                $"A request may have at most {GenerationParameters.MaxChoices} choices; "
                + $"found {prompts.Count} prompts with n = {parameters.Choices}.");
        }

        var least = parameters.Rules?.MinTokens ?? 0;
        if (least > (parameters.MaxTokens ?? defaultMaxTokens))
        {
            throw ApiException.Invalid(
                "min_tokens", $"min_tokens must be at most max_tokens; found {least} with max_tokens = {parameters.MaxTokens ?? defaultMaxTokens}.");
        }

        // A prompt that is echoed beside log-probabilities is told with them.
        var echoes = parameters is { Echo: true, LogProbabilities: not null };
        int? promptLogprobs = echoes
            ? Math.Max(parameters.LogProbabilities!.Value, parameters.PromptLogProbabilities ?? 0)
            : parameters.PromptLogProbabilities;
        CheckPromptLogprobs(prompts, parameters.Choices, promptLogprobs, param);
        IReadOnlyList<int> stopTokens = [.. (parameters.IgnoreEnd ? [] : model.StopTokens(isChat)).Union(parameters.StopTokens)];
        var choices = new List<ChoicePlan>();
        var traceParent = Activity.Current is { Recorded: true } span ? span.Id : null;
        foreach (var prompt in prompts)
        {
            CheckLength(prompt.Count, parameters.MaxTokens, param);
            var seed = (ulong)(parameters.Seed ?? parameters.Retry?.Seed ?? random.NextInt64(RandomSeeds));
            var echo = parameters.Echo ? model.Decode(prompt, param) : "";
            var echoed = echoes ? Offsets(prompt) : [];
            var startsText = isChat || prompt.All(token => model.TokenBytes(token).IsEmpty);
            var reasoning = isChat && !parameters.ReasoningInText ? model.Reasoning(prompt, parameters.Continued) : null;
            var asked = parameters.Tools is { } tools ? tools.GrammarOf(model.ToolForm, reasoning, parameters.Grammar) : parameters.Grammar;
            if (asked is not null && parameters.IgnoreEnd)
                throw ApiException.Invalid("ignore_eos", $"ignore_eos goes on behind the end, where {asked.Path} allows nothing; expected one of them.");
            var grammar = asked is null ? null : Check(asked, startsText, stopTokens);
            for (var index = 0; index < parameters.Choices; index++)
            {
                var request = new GenerationRequest
                {
                    PromptTokens = prompt,
                    MaxTokens = parameters.MaxTokens ?? defaultMaxTokens,
                    Sampling = parameters.Sampling,
                    Seed = unchecked(seed + (ulong)index),
                    IgnoreEndTokens = parameters.IgnoreEnd,
                    StopTokens = stopTokens,
                    Rules = parameters.Rules,
                    TopLogprobs = parameters.LogProbabilities ?? 0,
                    PromptLogprobs = promptLogprobs,
                    Priority = parameters.Priority,
                    Timeout = parameters.Timeout,
                    Session = parameters.Session,
                    CacheSalt = parameters.CacheSalt,
                    Client = parameters.Client,
                    Grammar = grammar,
                    TraceParent = traceParent,
                };
                choices.Add(new ChoicePlan(request, startsText, echo, echoed, reasoning, parameters.Tools?.FormatOf(model.ToolForm)));
            }
        }

        return new GenerationPlan
        {
            Parameters = parameters,
            Choices = choices,
            PromptTokens = prompts.Sum(prompt => prompt.Count),
            WithTokenIds = parameters.ReturnTokenIds || !model.HasTokenizer,
        };
    }

    /// <summary>Refuses a text that is too long, before time is spent on encoding it.</summary>
    /// <param name="text">The text.</param>
    /// <param name="param">The request's field that holds it.</param>
    /// <exception cref="ApiException">It is too long.</exception>
    public void CheckText(string text, string param)
    {
        var fewest = model.FewestTokens(text);
        if (fewest >= MaxSequenceTokens) throw TooLong($"at least {fewest} tokens in {param}", param);
    }

    /// <summary>Refuses more tokens than a prompt may have.</summary>
    /// <param name="tokens">How many.</param>
    /// <param name="param">The request's field that holds them.</param>
    /// <exception cref="ApiException">They are too many.</exception>
    public void CheckCount(int tokens, string param)
    {
        if (tokens >= MaxSequenceTokens) throw TooLong($"{tokens} tokens in {param}", param);
    }

    /// <summary>Where the text of each token of a prompt begins in the prompt's text.</summary>
    private List<EchoedToken> Offsets(IReadOnlyList<int> prompt)
    {
        var decoder = model.NewDecoder(startsText: true);
        var tokens = new List<EchoedToken>(prompt.Count);
        var offset = 0;
        foreach (var token in prompt)
        {
            tokens.Add(new EchoedToken(token, offset));
            offset += ChoiceText.CharactersOf(decoder?.Append(token) ?? "");
        }

        return tokens;
    }

    private static void CheckPromptLogprobs(IReadOnlyList<IReadOnlyList<int>> prompts, int choices, int? topLogprobs, string param)
    {
        if (topLogprobs is not { } top) return;
        var asked = prompts.Sum(prompt => (long)prompt.Count) * choices * (1 + top);
        if (asked <= GenerationRequest.MostPromptLogprobs) return;
        throw ApiException.Invalid(
            param,
            $"A request may be told at most {GenerationRequest.MostPromptLogprobs} log-probabilities of its prompts; found {asked}: of each token, its {top} top logprobs"
            + $" and its own, for {choices} choices.");
    }

    /// <summary>Makes the grammar here already, so that what is wrong with it is said before anything is sent.</summary>
    private AnswerGrammar Check(RequestedGrammar asked, bool startsText, IReadOnlyList<int> stopTokens)
    {
        var grammar = new AnswerGrammar(asked.Source.Kind, asked.Source.Text, startsText);
        try
        {
            grammars.Begin(grammar, stopTokens, []);
            return grammar;
        }
        catch (GrammarException exception)
        {
            throw ApiException.Invalid(asked.Path, $"{asked.Path} cannot be followed: {exception.Message}");
        }
    }

    private void CheckLength(int promptTokens, int? maxTokens, string param)
    {
        if (promptTokens == 0) throw ApiException.Invalid(param, $"{param} is empty; expected at least one token.");
        CheckCount(promptTokens, param);
        if (promptTokens + (long?)maxTokens > MaxSequenceTokens)
            throw TooLong($"{promptTokens} tokens in {param} and {maxTokens} for the answer", param);
    }

    private ApiException TooLong(string found, string param) => ApiException.Invalid(
        param,
        $"The model's context is {MaxSequenceTokens} tokens, prompt and answer together; found {found}.",
        "context_length_exceeded");
}
