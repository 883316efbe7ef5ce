using System.Text.Json;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Tools;
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
        var tokens = await requests.ReadAsync(context, FieldScope.Tokenize, ReadTokensAsync, cancellationToken);
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
        var text = await requests.ReadAsync(
            context, FieldScope.Detokenize, (fields, _) => ValueTask.FromResult(ReadText(fields)), cancellationToken);
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

    /// <summary>Reads <c>prompt</c> or <c>messages</c> as token ids.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public async ValueTask<IReadOnlyList<int>> ReadTokensAsync(JsonFields fields, CancellationToken cancellationToken)
    {
        var beginOfText = fields.Get(RequestFields.AddSpecialTokens);
        if (fields.Get(RequestFields.Messages) is null)
        {
            if (ChatMessages.FindOption(fields) is { Name: var option })
                throw ApiException.Invalid(option, $"{option} says how messages are written; found it without messages.");
            var field = RequestFields.TokenizedText;
            var text = fields.Require(field);
            planner.CheckText(text, field.Name);
            return await model.EncodeAsync(text, beginOfText ?? true, field.Name, cancellationToken);
        }

        if (fields.Get(RequestFields.TokenizedText) is not null)
            throw ApiException.Invalid("prompt", "prompt came beside messages; expected only one of them.");
        if (beginOfText is true)
        {
            throw ApiException.Invalid(
                "add_special_tokens", "add_special_tokens must be absent or false beside messages, whose template has its own; found true.");
        }

        return (await messages.ReadAsync(fields, ToolFields.Read(fields), cancellationToken)).Tokens;
    }

    /// <summary>Reads <c>tokens</c> as text.</summary>
    /// <param name="fields">The request.</param>
    public string ReadText(JsonFields fields)
    {
        var field = RequestFields.Tokens;
        var list = fields.Require(field);
        if (list.ValueKind != JsonValueKind.Array) throw JsonFields.Wrong(field.Name, list, field.Expected);
        planner.CheckCount(list.GetArrayLength(), field.Name);
        return model.Decode(TokenIds.Read(list, field.Name, field.Name, model.VocabSize), field.Name);
    }
}
