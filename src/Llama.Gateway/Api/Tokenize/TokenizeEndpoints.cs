using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Writing;

namespace Llama.Gateway.Api.Tokenize;

/// <summary><c>POST /tokenize</c> and <c>POST /detokenize</c>, as vLLM has them: text as token ids and back.</summary>
/// <param name="requests">Reads requests.</param>
/// <param name="messages">Reads conversations.</param>
/// <param name="planner">Knows how long a sequence may be.</param>
/// <param name="model">The model.</param>
internal sealed class TokenizeEndpoints(RequestReader requests, ChatMessages messages, GenerationPlanner planner, ServedModel model)
{
    /// <summary>Turns <c>prompt</c> or <c>messages</c> into <c>tokens</c>.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task TokenizeAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var tokens = await requests.ReadAsync(context, ReadTokens, cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteNumber("count", tokens.Count);
                json.WriteNumber("max_model_len", planner.MaxSequenceTokens);
                json.WriteStartArray("tokens");
                foreach (var token in tokens) json.WriteNumberValue(token);
                json.WriteEndArray();
                json.WriteEndObject();
            },
            cancellationToken);
    }

    /// <summary>Turns <c>tokens</c> into <c>prompt</c>.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async Task DetokenizeAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var text = await requests.ReadAsync(context, ReadText, cancellationToken);
        await JsonAnswer.WriteAsync(
            context.Response,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("prompt", text);
                json.WriteEndObject();
            },
            cancellationToken);
    }

    private IReadOnlyList<int> ReadTokens(JsonFields fields)
    {
        if (fields.TryGet("messages", out _)) return messages.Read(fields);
        var prompt = fields.Text("prompt") ?? throw ApiException.Invalid("prompt", "prompt is missing; expected a string.");
        planner.CheckText(prompt, "prompt");
        return model.Encode(prompt, fields.Flag("add_special_tokens", missing: true), "prompt");
    }

    private string ReadText(JsonFields fields)
    {
        const string expected = "a list of token ids";
        if (!fields.TryGet("tokens", out var list)) throw ApiException.Invalid("tokens", $"tokens is missing; expected {expected}.");
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong("tokens", list, expected);
        planner.CheckCount(list.GetArrayLength(), "tokens");
        return model.Decode(TokenIds.Read(list, "tokens", "tokens", model.Config.VocabSize), "tokens");
    }
}
