using Google.Protobuf;
using Llama.Gateway.Api.Generation;
using Llama.Grains.Generation;
using Llama.Model.Sampling;
using Llama.V1;

namespace Llama.Gateway.Api.Rpc;

/// <summary>Writes the parts of an answer as messages.</summary>
/// <param name="plan">What was asked.</param>
/// <param name="answer">The answer.</param>
/// <param name="model">Knows the tokens.</param>
internal sealed class AnswerMessages(GenerationPlan plan, RunningAnswer answer, ServedModel model)
{
    /// <summary>A piece as a part.</summary>
    /// <param name="piece">The piece.</param>
    public GenerateResponse Part(ChoicePiece piece)
    {
        GenerationRequest request = plan.Choices[piece.Choice].Request;
        var choice = new ChoicePart { Index = piece.Choice, Text = piece.Text, Reasoning = piece.Reasoning, Tokens = { TokenOf(piece.Token) } };
        foreach (var call in piece.Calls)
        {
            var more = new V1.ToolCallPart { Index = call.Index, Arguments = call.Arguments };
            if (call.Name is { } name) (more.Name, more.Id) = (name, call.IdIn(answer.Id, piece.Choice));
            choice.ToolCalls.Add(more);
        }

        if (piece.Finish is { } finish) choice.FinishReason = finish;
        if (piece.Position == 0 || piece.Finish is not null) choice.Seed = (long)request.Seed;
        if (piece.Position == 0 && plan.WithTokenIds) choice.PromptTokenIds.AddRange(request.PromptTokens);
        if (piece.Position == 0 && request.PromptLogprobs is not null) AddPrompt(choice, request.PromptTokens[0], piece.Token.Prompt.Span);
        GenerateResponse part = Begin();
        part.Choice = choice;
        return part;
    }

    /// <summary>The usage as the last part.</summary>
    public GenerateResponse Usage()
    {
        AnswerUsage usage = answer.Usage;
        GenerateResponse part = Begin();
        part.Usage = new Usage
        {
            PromptTokens = usage.PromptTokens,
            CompletionTokens = usage.CompletionTokens,
            TotalTokens = usage.PromptTokens + usage.CompletionTokens,
            CachedTokens = usage.CachedTokens,
            ReasoningTokens = usage.ReasoningTokens,
        };
        return part;
    }

    private GenerateResponse Begin() => new() { Id = answer.Id, Model = model.Name, Created = answer.Created.ToUnixTimeSeconds() };

    private void AddPrompt(ChoicePart choice, int first, ReadOnlySpan<byte> rest)
    {
        choice.PromptTokens.Add(TokenOf(new TokenLogprob(first, 0), tells: false));
        while (PromptLogprobs.TryRead(ref rest, out PromptLogprob logprob))
        {
            Token token = TokenOf(logprob.Token, tells: true);
            token.Rank = logprob.Rank;
            foreach (TokenLogprob other in logprob.TopLogprobs) token.TopLogprobs.Add(TokenOf(other, tells: true));
            choice.PromptTokens.Add(token);
        }
    }

    private Token TokenOf(GeneratedToken generated)
    {
        bool tells = plan.Parameters.LogProbabilities is not null;
        Token token = TokenOf(generated.Sampled, tells);
        if (tells) token.TopLogprobs.AddRange(generated.TopLogprobs.Select(logprob => TokenOf(logprob, tells: true)));
        return token;
    }

    private Token TokenOf(TokenLogprob logprob, bool tells)
    {
        var token = new Token { Id = logprob.Token, Bytes = ByteString.CopyFrom(model.TokenBytes(logprob.Token)) };
        if (tells) token.Logprob = logprob.LogProbability;
        return token;
    }
}
