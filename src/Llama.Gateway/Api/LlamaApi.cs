using Llama.Gateway.Api.Chat;
using Llama.Gateway.Api.Cluster;
using Llama.Gateway.Api.Completions;
using Llama.Gateway.Api.Document;
using Llama.Gateway.Api.Embeddings;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Keys;
using Llama.Gateway.Api.LlamaServer;
using Llama.Gateway.Api.Messages;
using Llama.Gateway.Api.Models;
using Llama.Gateway.Api.Ollama;
using Llama.Gateway.Api.Reading;
using Llama.Gateway.Api.Responses;
using Llama.Gateway.Api.Retries;
using Llama.Gateway.Api.Telemetry;
using Llama.Gateway.Api.Tokenize;
using Llama.Gateway.Pages;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;
using Llama.Grains.Text;
using Llama.ServiceDefaults;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Net.Http.Headers;

namespace Llama.Gateway.Api;

/// <summary>The HTTP side: OpenAI's API, vLLM's tokenizer endpoints, the cluster's status and the page; and gRPC.</summary>
public static class LlamaApi
{
    /// <summary>What other servers and Kubernetes call the question whether the model answers.</summary>
    private static readonly string[] HealthNames = ["/health", "/v1/health", "/readyz"];

    /// <summary>
    /// Registers the API. It needs an <see cref="IGateway"/> and an <see cref="IModelSource"/>, and takes its time and its chance from a
    /// <see cref="TimeProvider"/> and a <see cref="Random"/> if there are such.
    /// </summary>
    /// <param name="services">Where to.</param>
    /// <param name="key">The cluster key, which who changes the cluster must show; empty for none.</param>
    /// <param name="ignoreUnknownFields">Whether fields of requests that nobody knows pass.</param>
    /// <param name="access">Who may use it, and from where.</param>
    /// <param name="names">Host names that the gateway is reached by, each perhaps with a port; addresses need not be named.</param>
    public static IServiceCollection AddLlamaApi(
        this IServiceCollection services, ReadOnlyMemory<byte> key, bool ignoreUnknownFields, ApiAccess access, params IEnumerable<string?> names)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(Random.Shared);
        services.AddSingleton(provider => new ServedModel(
            provider.GetRequiredService<IModelSource>(), provider.GetRequiredService<TimeProvider>().GetUtcNow()));
        services.TryAddSingleton(provider => new Grammars(provider.GetRequiredService<IModelSource>(), []));
        services.TryAddSingleton(provider => new ServingTime(provider.GetRequiredService<IHostApplicationLifetime>(), TimeSpan.Zero));
        services.AddSingleton<ApiGuard>();
        services.AddSingleton<RequestTelemetry>();
        services.AddSingleton(provider => new RequestReader(provider.GetRequiredService<ServedModel>(), ignoreUnknownFields));
        services.AddSingleton<GenerationPlanner>();
        services.AddSingleton<ChoiceRunner>();
        services.AddSingleton<KeptAnswers>();
        services.AddHostedService<RecordSender>();
        services.AddSingleton<SystemFingerprint>();
        services.AddSingleton<Responder>();
        services.AddSingleton<TokenRuleReader>();
        services.AddSingleton<ParameterReader>();
        services.AddSingleton<Prompts>();
        services.AddSingleton<CompletionFormat>();
        services.AddSingleton<CompletionEndpoint>();
        services.AddSingleton<ChatMessages>();
        services.AddSingleton<ChatFormat>();
        services.AddSingleton<ChatEndpoint>();
        services.AddSingleton<ResponseStore>();
        services.AddSingleton<ResponseEndpoints>();
        services.AddSingleton<MessageEndpoints>();
        services.TryAddSingleton(new EmbeddingDefaults(Pooling.Mean));
        services.AddSingleton<EmbeddingReader>();
        services.AddSingleton<Embedder>();
        services.AddSingleton<EmbeddingEndpoint>();
        services.AddSingleton<TokenizeEndpoints>();
        services.AddSingleton<PropsEndpoints>();
        services.AddSingleton<InfillEndpoint>();
        services.AddSingleton<OllamaEndpoints>();
        services.AddSingleton<OllamaEmbeddings>();
        services.AddSingleton<OllamaModels>();
        services.AddSingleton<ModelEndpoints>();
        services.AddSingleton<ClusterEndpoints>();
        services.AddSingleton<DocumentPages>();
        var own = new GatewayNames(names);
        services.AddSingleton(new OperatorGuard(key, own));
        AddAccess(services, access, own);
        return services;
    }

    private static void AddAccess(IServiceCollection services, ApiAccess access, GatewayNames own)
    {
        services.AddSingleton(access);
        services.AddSingleton<Sender>();
        if (access.KeyFile is { } file)
        {
            services.AddSingleton(provider => new KeyRing(
                file, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<KeyRing>>()));
            services.AddHostedService(provider => provider.GetRequiredService<KeyRing>());
        }

        services.AddSingleton(provider => new AccessGuard(
            provider.GetService<KeyRing>(), access is { KeyFile: null, IsLoopback: true } ? own : null));
        if (access.Origins.Count > 0) AddOrigins(services, access);
    }

    private static void AddOrigins(IServiceCollection services, ApiAccess access)
    {
        services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
            .WithOrigins([.. access.Origins]).AllowAnyHeader().WithMethods(HttpMethods.Get, HttpMethods.Post, HttpMethods.Delete)
            .WithExposedHeaders(HeaderNames.RetryAfter, "x-request-id", "x-should-retry")));
    }

    /// <summary>Answers web pages of other origins, where they may call the API. Comes before the routes.</summary>
    /// <param name="application">Where to.</param>
    public static void UseLlamaOrigins(this IApplicationBuilder application)
    {
        if (application.ApplicationServices.GetRequiredService<ApiAccess>().Origins.Count > 0) application.UseCors();
    }

    /// <summary>
    /// Maps the routes. A known path with another method answers 405, and every path that no other endpoint takes answers 404, both in
    /// OpenAI's error shape.
    /// </summary>
    /// <param name="routes">Where to.</param>
    public static IEndpointRouteBuilder MapLlamaApi(this IEndpointRouteBuilder routes)
    {
        var services = routes.ServiceProvider;
        var api = new Routes(routes, services.GetRequiredService<ApiGuard>(), services.GetRequiredService<AccessGuard>(), services.GetRequiredService<OperatorGuard>(),
            services.GetRequiredService<RequestTelemetry>());
        var models = services.GetRequiredService<ModelEndpoints>();
        var cluster = services.GetRequiredService<ClusterEndpoints>();
        var props = services.GetRequiredService<PropsEndpoints>();
        var tokenize = services.GetRequiredService<TokenizeEndpoints>();
        api.Show("/", HomePage.GetAsync);
        foreach (string name in HealthNames) api.Show(name, cluster.HealthAsync);
        api.Show("/livez", ClusterEndpoints.LiveAsync);
        var document = services.GetRequiredService<DocumentPages>();
        foreach (string page in DocumentPages.Paths) api.Show(page, (context, _) => document.GetAsync(context));
        api.Show("/cluster", cluster.StatusAsync);
        api.Show("/cluster/plan", cluster.PlanAsync);
        if (services.GetService<MetricsScrape>() is { } metrics) api.Show("/metrics", (context, _) => metrics.WriteAsync(context));
        if (services.GetService<OrleansPage>() is { } orleans) api.ShowOperators($"{OrleansPage.Path}/{{**path}}", (context, _) => orleans.GetAsync(context));
        api.Change("/cluster/drain/{silo}", (HttpMethods.Post, cluster.DrainAsync), (HttpMethods.Delete, cluster.TakeBackAsync));
        api.Change("/cluster/rebalance", (HttpMethods.Post, cluster.RebalanceAsync));
        api.Get("/v1/models", models.ListAsync);
        api.Get("/v1/models/{**id}", models.GetAsync);
        api.Generate("/v1/completions", RequestTelemetry.Completion, services.GetRequiredService<CompletionEndpoint>().HandleAsync);
        api.Generate("/v1/chat/completions", RequestTelemetry.Chat, services.GetRequiredService<ChatEndpoint>().HandleAsync);
        api.Generate("/v1/embeddings", RequestTelemetry.Embedding, services.GetRequiredService<EmbeddingEndpoint>().HandleAsync);
        var responses = services.GetRequiredService<ResponseEndpoints>();
        api.Generate("/v1/responses", RequestTelemetry.Chat, responses.CreateAsync);
        api.Keep("/v1/responses/{id}", responses.GetAsync, responses.DeleteAsync);
        var messages = services.GetRequiredService<MessageEndpoints>();
        api.Generate("/v1/messages", RequestTelemetry.Chat, messages.CreateAsync, AnthropicErrorForm.Instance);
        api.Post("/v1/messages/count_tokens", messages.CountAsync, AnthropicErrorForm.Instance);
        api.Post("/tokenize", tokenize.TokenizeAsync);
        api.Post("/detokenize", tokenize.DetokenizeAsync);
        api.Get("/props", props.PropsAsync);
        api.Post("/apply-template", props.ApplyTemplateAsync);
        api.Generate("/infill", RequestTelemetry.Completion, services.GetRequiredService<InfillEndpoint>().HandleAsync);
        MapOllama(api, services);
        api.NothingElse();
        return routes;
    }

    private static void MapOllama(Routes api, IServiceProvider services)
    {
        var answers = services.GetRequiredService<OllamaEndpoints>();
        var models = services.GetRequiredService<OllamaModels>();
        api.Generate("/api/chat", RequestTelemetry.Chat, answers.ChatAsync, OllamaErrorForm.Instance);
        api.Generate("/api/generate", RequestTelemetry.Completion, answers.GenerateAsync, OllamaErrorForm.Instance);
        api.Generate(
            "/api/embed", RequestTelemetry.Embedding, services.GetRequiredService<OllamaEmbeddings>().HandleAsync, OllamaErrorForm.Instance);
        api.Get("/api/tags", models.ListAsync, OllamaErrorForm.Instance);
        api.Get("/api/ps", models.ListLoadedAsync, OllamaErrorForm.Instance);
        api.Post("/api/show", models.ShowAsync, OllamaErrorForm.Instance);
        api.Show("/api/version", OllamaModels.VersionAsync);
    }

    private sealed class Routes(IEndpointRouteBuilder routes, ApiGuard guard, AccessGuard access, OperatorGuard operators, RequestTelemetry telemetry)
    {
        private static readonly string[] Reading = [HttpMethods.Get, HttpMethods.Head];
        private static readonly string[] Writing = [HttpMethods.Post];

        /// <summary>Shortest path that may be meant for another one.</summary>
        private const int ShortestName = 5;

        private readonly List<string> paths = [];

        /// <summary>What everybody may read.</summary>
        public void Show(string pattern, Func<HttpContext, CancellationToken, Task> endpoint) => Map(pattern, Reading, access.Show(endpoint));

        /// <summary>What only operators may read, also with a browser.</summary>
        public void ShowOperators(string pattern, Func<HttpContext, CancellationToken, Task> endpoint) =>
            Map(pattern, Reading, operators.Show(endpoint));

        public void Get(string pattern, Func<HttpContext, CancellationToken, Task> endpoint, IErrorForm? form = null) =>
            Map(pattern, Reading, access.Protect(endpoint), form);

        public void Post(string pattern, Func<HttpContext, CancellationToken, Task> endpoint, IErrorForm? form = null) =>
            Map(pattern, Writing, access.Protect(endpoint), form);

        /// <summary>What is kept until it is deleted.</summary>
        public void Keep(
            string pattern, Func<HttpContext, CancellationToken, Task> get, Func<HttpContext, CancellationToken, Task> delete)
        {
            routes.MapMethods(pattern, Reading, guard.Guard(access.Protect(get))).WithMetadata(ServesApi.Instance);
            routes.MapMethods(pattern, [HttpMethods.Delete], guard.Guard(access.Protect(delete))).WithMetadata(ServesApi.Instance);
            RefuseOthers(pattern, [.. Reading, HttpMethods.Delete]);
        }

        /// <summary>What is measured as a generation: also that it was refused for its key.</summary>
        public void Generate(string pattern, string operation, Func<HttpContext, CancellationToken, Task> endpoint, IErrorForm? form = null) =>
            Map(pattern, Writing, telemetry.Observe(operation, access.Protect(endpoint)), form);

        public void Change(string pattern, params (string Method, Func<HttpContext, CancellationToken, Task> Endpoint)[] endpoints)
        {
            foreach ((string method, Func<HttpContext, CancellationToken, Task> endpoint) in endpoints)
                routes.MapMethods(pattern, [method], guard.Guard(operators.Protect(endpoint))).WithMetadata(new ChangesCluster(), ServesApi.Instance);
            RefuseOthers(pattern, [.. endpoints.Select(endpoint => endpoint.Method)]);
        }

        /// <summary>Refuses all other paths, in the form of the API that they seem to be meant for.</summary>
        public void NothingElse()
        {
            NothingAt("{**path}");
            NothingAt("/api/{**path}", OllamaErrorForm.Instance);
            NothingAt("/v1/messages/{**path}", AnthropicErrorForm.Instance);
        }

        private void NothingAt(string pattern, IErrorForm? form = null) => routes.MapFallback(pattern, guard.Guard(
            (context, _) => throw new ApiException(
                StatusCodes.Status404NotFound,
                $"There is nothing at {context.Request.Method} {context.Request.Path}{(NearPath(context.Request.Path.Value!) is { } near ? $"; did you mean {near}?" : ".")}",
                code: "unknown_url"),
            form));

        /// <summary>The path that another one seems to mean, which has a part too many or lacks one, as a client's base URL may have it; or null.</summary>
        private string? NearPath(string path) => path.Length < ShortestName ? null : paths.FirstOrDefault(
            known => path.EndsWith(known, StringComparison.OrdinalIgnoreCase) || known.Contains(path, StringComparison.OrdinalIgnoreCase));

        private void Map(string pattern, string[] methods, Func<HttpContext, CancellationToken, Task> endpoint, IErrorForm? form = null)
        {
            if (pattern.Length >= ShortestName) paths.Add(pattern);
            routes.MapMethods(pattern, methods, guard.Guard(endpoint, form)).WithMetadata(ServesApi.Instance);
            RefuseOthers(pattern, methods, form);
        }

        private void RefuseOthers(string pattern, string[] methods, IErrorForm? form = null) => routes.Map(pattern, guard.Guard(
            (context, _) =>
            {
                context.Response.Headers.Allow = string.Join(", ", methods);
                throw new ApiException(
                    StatusCodes.Status405MethodNotAllowed,
                    $"{context.Request.Path} takes {string.Join(" or ", methods)}; found {context.Request.Method}.",
                    code: "method_not_supported");
            },
            form));
    }
}
