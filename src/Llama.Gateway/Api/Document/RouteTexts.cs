using Llama.Gateway.Api.Fields;

namespace Llama.Gateway.Api.Document;

/// <summary>What the document says of a route.</summary>
/// <param name="Group">Where it stands.</param>
/// <param name="Summary">What it does.</param>
/// <param name="Request">The object that its request is; null for one without a body.</param>
/// <param name="Stream">The type of what it answers with where it streams; null where it does not.</param>
internal sealed record RouteText(string Group, string Summary, FieldScope? Request = null, string? Stream = null)
{
    /// <summary>The type of answers that are not streamed.</summary>
    public string Answer { get; init; } = "application/json";
}

/// <summary>The texts of all routes.</summary>
internal static class RouteTexts
{
    private const string OpenAI = "OpenAI";
    private const string Anthropic = "Anthropic";
    private const string Ollama = "Ollama";
    private const string Lines = "application/x-ndjson";
    private const string Vllm = "vLLM";
    private const string LlamaServer = "llama-server";
    private const string Cluster = "Cluster";
    private const string Health = "Health";
    private const string Pages = "Pages and metrics";
    private const string Events = "text/event-stream";

    private static readonly Dictionary<string, RouteText> Texts = new()
    {
        ["POST /v1/chat/completions"] = new(OpenAI, "Answers a conversation.", FieldScope.Chat, Events),
        ["POST /v1/completions"] = new(OpenAI, "Goes on with a text, or fills a gap in it.", FieldScope.Completion, Events),
        ["POST /v1/embeddings"] = new(OpenAI, "Turns texts into vectors.", FieldScope.Embedding),
        ["GET /v1/models"] = new(OpenAI, "Lists the model that is served."),
        ["GET /v1/models/{id}"] = new(OpenAI, "Describes the model."),
        ["POST /tokenize"] = new(Vllm, "Turns a text or a conversation into token ids.", FieldScope.Tokenize),
        ["POST /detokenize"] = new(Vllm, "Turns token ids into text.", FieldScope.Detokenize),
        ["POST /v1/responses"] = new(OpenAI, "Answers an input, as OpenAI's Responses API does.", FieldScope.Response, Events),
        ["GET /v1/responses/{id}"] = new(OpenAI, "A response that was kept."),
        ["DELETE /v1/responses/{id}"] = new(OpenAI, "Forgets a response."),
        ["POST /v1/messages"] = new(Anthropic, "Answers a conversation, as Anthropic's Messages API does.", FieldScope.MessageRequest, Events),
        ["POST /v1/messages/count_tokens"] = new(Anthropic, "Counts the tokens of a conversation.", FieldScope.CountTokens),
        ["POST /infill"] = new(LlamaServer, "Fills a gap in a text.", FieldScope.Infill, Events),
        ["POST /api/chat"] = new(Ollama, "Answers a conversation.", FieldScope.OllamaChat, Lines),
        ["POST /api/generate"] = new(Ollama, "Answers a prompt, or fills a gap.", FieldScope.OllamaGenerate, Lines),
        ["POST /api/embed"] = new(Ollama, "Turns texts into vectors.", FieldScope.OllamaEmbed),
        ["GET /api/tags"] = new(Ollama, "Lists the model that is served."),
        ["GET /api/ps"] = new(Ollama, "The same model, as one that is loaded."),
        ["POST /api/show"] = new(Ollama, "Describes the model.", FieldScope.OllamaShow),
        ["GET /api/version"] = new(Ollama, "The version of this program."),
        ["GET /props"] = new(LlamaServer, "Tells what is served: the context's length, how tokens are sampled, the chat template."),
        ["POST /apply-template"] = new(LlamaServer, "Writes a conversation as the text that the model goes on with.", FieldScope.Template),
        ["GET /health"] = new(Health, "200 when the model answers, else 503 with the reason."),
        ["GET /v1/health"] = new(Health, "The same as `/health`."),
        ["GET /readyz"] = new(Health, "The same as `/health`."),
        ["GET /livez"] = new(Health, "200 when the process answers."),
        ["GET /cluster"] = new(Cluster, "What is where: the epoch, the pipelines, their stages and layers, free KV blocks."),
        ["GET /cluster/plan"] = new(Cluster, "What the plan was made from."),
        ["POST /cluster/drain/{silo}"] = new(Cluster, "Empties a silo. Only for those who may change the cluster."),
        ["DELETE /cluster/drain/{silo}"] = new(Cluster, "Lets a silo have layers again. Only for those who may change the cluster."),
        ["POST /cluster/rebalance"] = new(Cluster, "Divides the layers over the silos that are there now. Only for those who may change the cluster."),
        ["GET /metrics"] = new(Pages, "What there is to monitor, for Prometheus.") { Answer = "text/plain" },
        ["GET /orleans"] = new(Pages, "Orleans' dashboard, with `--orleans-dashboard`. Only for those who may change the cluster.") { Answer = "text/html" },
        ["GET /"] = new(Pages, "A page to try the model on.") { Answer = "text/html" },
        ["GET /openapi/v1.json"] = new(Pages, "This document."),
        ["GET /scalar"] = new(Pages, "A page that shows this document.") { Answer = "text/html" },
    };

    /// <summary>The text of a route.</summary>
    /// <param name="method">Its method.</param>
    /// <param name="path">Its path, as the document has it.</param>
    public static RouteText Of(string method, string path) =>
        Texts.GetValueOrDefault($"{method} {path}") ?? throw new InvalidOperationException($"{nameof(RouteTexts)} says nothing of {method} {path}.");
}
