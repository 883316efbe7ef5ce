using Google.Protobuf;
using Grpc.Core;
using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Completions;
using Llama.Gateway.Api.Embeddings;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Telemetry;
using Llama.Gateway.Api.Tokenize;
using Llama.V1;
using Microsoft.AspNetCore.Connections.Features;

namespace Llama.Gateway.Api.Rpc;

/// <summary><c>llama.v1.Inference</c>: what the HTTP endpoints answer, by their own readers and planners.</summary>
/// <param name="guard">Runs calls.</param>
/// <param name="requests">Reads requests.</param>
/// <param name="completions">Plans what goes on with a text.</param>
/// <param name="chats">Plans answers to conversations.</param>
/// <param name="tokenizer">Turns text into token ids and back.</param>
/// <param name="embeddings">Reads what is turned into vectors.</param>
/// <param name="embedder">Makes the vectors.</param>
/// <param name="planner">Knows how long a sequence may be.</param>
/// <param name="responder">Begins answers.</param>
/// <param name="telemetry">Tells of requests that generate.</param>
/// <param name="model">The model.</param>
/// <param name="access">Knows who may call.</param>
[BindServiceMethod(typeof(RpcBinding), nameof(RpcBinding.Inference))]
internal sealed class InferenceService(
    RpcGuard guard, RequestReader requests, CompletionEndpoint completions, ChatEndpoint chats, TokenizeEndpoints tokenizer, EmbeddingReader embeddings, Embedder embedder,
    GenerationPlanner planner, Responder responder, RequestTelemetry telemetry, ServedModel model, AccessGuard access) : Inference.InferenceBase
{
    private const string IdPrefix = "gen-";

    /// <summary>When the end of a connection is known, after that of its calls.</summary>
    private static readonly TimeSpan ConnectionEnd = TimeSpan.FromSeconds(0.2);

    /// <inheritdoc/>
    public override Task Generate(GenerateRequest request, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context) =>
        RespondAsync(RequestTelemetry.Completion, request, FieldScope.Completion, completions.PlanAsync, responseStream, context);

    /// <inheritdoc/>
    public override Task Chat(ChatRequest request, IServerStreamWriter<GenerateResponse> responseStream, ServerCallContext context) =>
        RespondAsync(RequestTelemetry.Chat, request, FieldScope.Chat, chats.PlanAsync, responseStream, context);

    /// <inheritdoc/>
    public override Task<TokenizeResponse> Tokenize(TokenizeRequest request, ServerCallContext context) =>
        RunAsync(context, async (_, cancellationToken) =>
        {
            IReadOnlyList<int> tokens = await requests.ReadAsync(request, FieldScope.Tokenize, tokenizer.ReadTokensAsync, cancellationToken);
            return new TokenizeResponse { Tokens = { tokens }, MaxModelLen = planner.MaxSequenceTokens };
        });

    /// <inheritdoc/>
    public override Task<DetokenizeResponse> Detokenize(DetokenizeRequest request, ServerCallContext context) =>
        RunAsync(context, async (_, cancellationToken) => new DetokenizeResponse
        {
            Prompt = await requests.ReadAsync(
                request, FieldScope.Detokenize, (fields, _) => ValueTask.FromResult(tokenizer.ReadText(fields)), cancellationToken),
        });

    /// <inheritdoc/>
    public override Task Embed(EmbedRequest request, IServerStreamWriter<EmbedResponse> responseStream, ServerCallContext context) =>
        guard.RunAsync(context, (http, cancellationToken) =>
        {
            access.Check(http);
            return telemetry.ObserveAsync(RequestTelemetry.Embedding, http, async () =>
            {
                EmbeddingPlan plan = await requests.ReadAsync(
                    request, FieldScope.Embedding, (fields, ending) => embeddings.ReadAsync(http, fields, ending), cancellationToken);
                int index = 0;
                await foreach (float[] vector in embedder.EmbedAsync(http, plan, cancellationToken))
                    await responseStream.WriteAsync(new EmbedResponse { Model = model.Name, Index = index++, Values = { vector } }, cancellationToken);
                var usage = new Usage { PromptTokens = plan.PromptTokens, TotalTokens = plan.PromptTokens };
                await responseStream.WriteAsync(new EmbedResponse { Model = model.Name, Usage = usage }, cancellationToken);
            });
        });

    /// <inheritdoc/>
    public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) =>
        RunAsync(context, (_, _) => Task.FromResult(new ListModelsResponse
        {
            Models =
            {
                new V1.Model { Id = model.Name, Created = model.Created.ToUnixTimeSeconds(), MaxModelLen = planner.MaxSequenceTokens },
            },
        }));

    private Task<T> RunAsync<T>(ServerCallContext context, Func<HttpContext, CancellationToken, Task<T>> call) => guard.RunAsync(
        context, (http, cancellationToken) =>
        {
            access.Check(http);
            return call(http, cancellationToken);
        });

    private Task RespondAsync(
        string operation, IMessage request, FieldScope scope, Func<HttpContext, JsonFields, CancellationToken, ValueTask<GenerationPlan>> read,
        IServerStreamWriter<GenerateResponse> parts, ServerCallContext context) =>
        guard.RunAsync(context, (http, cancellationToken) => telemetry.ObserveAsync(operation, http, async () =>
        {
            access.Check(http);

            // A part is a few dozen bytes, which compressing only makes longer.
            context.WriteOptions = new WriteOptions(WriteFlags.NoCompress);
            GenerationPlan plan = await requests.ReadAsync(request, scope, (fields, ending) => read(http, fields, ending), cancellationToken);
            plan.Parameters.CheckStream();
            using RunningAnswer answer = await responder.BeginAsync(http, plan, IdPrefix, cancellationToken);
            var writer = new AnswerMessages(plan, answer, model);
            try
            {
                await foreach (ChoicePiece piece in answer.Pieces) await parts.WriteAsync(writer.Part(piece), cancellationToken);
                await parts.WriteAsync(writer.Usage(), cancellationToken);
            }
            catch (Exception) when (context.CancellationToken.IsCancellationRequested)
            {
                if (await IsCancelledAsync(http)) answer.GiveUp();
                throw;
            }
        }));

    /// <summary>Whether a call that ended early was cancelled, or its deadline passed: then the connection stays, and nobody will ask again.</summary>
    private static async Task<bool> IsCancelledAsync(HttpContext http)
    {
        // Calls are told before their connection is.
        if (http.Features.Get<IConnectionLifetimeFeature>() is not { } connection) return false;
        await Task.Delay(ConnectionEnd, connection.ConnectionClosed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !connection.ConnectionClosed.IsCancellationRequested;
    }
}
