using System.Globalization;
using System.Text.Json.Nodes;
using Llama.Gateway.Api.Fields;
using Microsoft.OpenApi;

namespace Llama.Gateway.Api.Document;

/// <summary>Makes the OpenAPI document of the routes that there are, and of the table of fields.</summary>
internal static class RouteDocument
{
    private const string ErrorName = "Error";

    /// <summary>Fills a document.</summary>
    /// <param name="document">The document.</param>
    /// <param name="endpoints">The endpoints that there are.</param>
    /// <param name="needsKey">Whether a key of the API is needed.</param>
    public static void Fill(OpenApiDocument document, IEnumerable<Endpoint> endpoints, bool needsKey)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Llama",
            Version = typeof(RouteDocument).Assembly.GetName().Version!.ToString(3),
            Description = "A pipeline-parallel inference cluster for models of the Llama family. Fields that are not in a request's schema are refused by name.",
        };
        document.Paths = [];
        document.Components = new OpenApiComponents { Schemas = new Dictionary<string, IOpenApiSchema> { [ErrorName] = ErrorSchema() } };
        if (needsKey) AddKeys(document);
        foreach ((string path, string method) in Routes(endpoints)) AddRoute(document, path, method);
        foreach (FieldScope scope in FieldScopes.All) SchemaOf(document, scope);
    }

    /// <summary>The routes of endpoints, as the document has them: without those that refuse, and once for GET and HEAD.</summary>
    /// <param name="endpoints">The endpoints.</param>
    public static IEnumerable<(string Path, string Method)> Routes(IEnumerable<Endpoint> endpoints) =>
        from endpoint in endpoints.OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? []
        where method != HttpMethods.Head && endpoint.Metadata.GetMetadata<ServesApi>() is not null
        orderby endpoint.RoutePattern.RawText, method
        select (PathOf(endpoint.RoutePattern.RawText!), method);

    private static string PathOf(string pattern) => pattern.Replace("/{**path}", "", StringComparison.Ordinal).Replace("{**", "{", StringComparison.Ordinal);

    private static void AddRoute(OpenApiDocument document, string path, string method)
    {
        RouteText text = RouteTexts.Of(method, path);
        var operation = new OpenApiOperation
        {
            Summary = text.Summary,
            Tags = new HashSet<OpenApiTagReference> { new(text.Group, document) },
            Parameters = [.. ParametersOf(path)],
            Responses = new OpenApiResponses
            {
                ["200"] = new OpenApiResponse { Description = "The answer.", Content = Answers(text) },
                ["default"] = new OpenApiResponse
                {
                    Description = "An error: what was found, what was expected, and in which field.",
                    Content = Json(new OpenApiSchemaReference(ErrorName, document)),
                },
            },
        };
        if (text.Request is { } scope)
            operation.RequestBody = new OpenApiRequestBody { Required = true, Content = Json(SchemaOf(document, scope)) };
        document.Tags ??= new HashSet<OpenApiTag>();
        if (document.Tags.All(tag => tag.Name != text.Group)) document.Tags.Add(new OpenApiTag { Name = text.Group });
        if (!document.Paths.TryGetValue(path, out IOpenApiPathItem? item)) document.Paths[path] = item = new OpenApiPathItem();
        ((OpenApiPathItem)item).AddOperation(HttpMethod.Parse(method), operation);
    }

    private static IEnumerable<IOpenApiParameter> ParametersOf(string path) =>
        from part in path.Split('/')
        where part.StartsWith('{')
        select new OpenApiParameter
        {
            Name = part.Trim('{', '}'), In = ParameterLocation.Path, Required = true, Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        };

    private static Dictionary<string, OpenApiMediaType> Answers(RouteText text)
    {
        var answers = new Dictionary<string, OpenApiMediaType> { [text.Answer] = new() };
        if (text.Stream is { } stream) answers[stream] = new();
        return answers;
    }

    private static Dictionary<string, OpenApiMediaType> Json(IOpenApiSchema schema) => new() { ["application/json"] = new() { Schema = schema } };

    /// <summary>The schema of an object of the table, with those of the objects in it.</summary>
    private static OpenApiSchemaReference SchemaOf(OpenApiDocument document, FieldScope scope)
    {
        string name = scope.ToString();
        if (document.Components!.Schemas!.ContainsKey(name)) return new OpenApiSchemaReference(name, document);
        var properties = new Dictionary<string, IOpenApiSchema>();
        document.Components.Schemas[name] = new OpenApiSchema { Type = JsonSchemaType.Object, Properties = properties };
        foreach (RequestField field in RequestFields.In(scope))
        {
            if (field is IHonouredField honoured) properties[field.Name] = PropertyOf(document, scope, field.Name, honoured.Expected, honoured.Does);
            if (field is HarmlessField harmless) properties[field.Name] = PropertyOf(document, scope, field.Name, harmless.Expected, $"Taken without effect. {harmless.Why}");
        }

        return new OpenApiSchemaReference(name, document);
    }

    private static OpenApiSchema PropertyOf(OpenApiDocument document, FieldScope scope, string name, string expected, string does)
    {
        FieldShape shape = FieldShape.Of(expected);
        var schema = new OpenApiSchema
        {
            Description = $"{does} Values: {expected}.",
            Type = shape.Types.Count == 0 ? null : shape.Types.Aggregate(JsonSchemaType.Null, (all, type) => all | TypeOf(type)),
            MaxLength = shape.MostCharacters,
            Minimum = shape.IsLeastExcluded ? null : shape.Least,
            ExclusiveMinimum = shape.IsLeastExcluded ? shape.Least : null,
            Maximum = shape.Most,
        };
        if (shape.Values.Count > 0) schema.Enum = [.. shape.Values.Select(value => (JsonNode)value), JsonNullSentinel.JsonNull];
        if (shape.ItemType is { } item) schema.Items = new OpenApiSchema { Type = TypeOf(item) };
        string path = FieldScope.Request.HasFlag(scope) ? name : $"{FieldScopes.NameOf(scope)}.{name}";
        if (Find(path, scope) is { } inner && shape.Types is ["object"]) return new OpenApiSchema { Description = schema.Description, OneOf = [SchemaOf(document, inner), Null()] };
        if (Find($"{path}[]", scope) is { } element) schema.Items = SchemaOf(document, element);
        return schema;
    }

    private static OpenApiSchema Null() => new() { Type = JsonSchemaType.Null };

    /// <summary>The object of a name: that of the request's family, where several have one of the name.</summary>
    private static FieldScope? Find(string name, FieldScope within)
    {
        string family = FieldScope.Ollama.HasFlag(within) ? "Ollama" : FieldScope.Turns.HasFlag(within) ? "Anthropic" : within == FieldScope.Response ? "responses" : "";
        return Named($"{name} ({family})") ?? Named(name);

        static FieldScope? Named(string name) =>
            FieldScopes.All.Where(scope => FieldScopes.NameOf(scope) == name).Select(scope => (FieldScope?)scope).FirstOrDefault();
    }

    private static JsonSchemaType TypeOf(string name) => Enum.Parse<JsonSchemaType>(CultureInfo.InvariantCulture.TextInfo.ToTitleCase(name));

    private static OpenApiSchema ErrorSchema() => new()
    {
        Type = JsonSchemaType.Object,
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["error"] = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Properties = new Dictionary<string, IOpenApiSchema>
                {
                    ["message"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "What was found and what was expected." },
                    ["type"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "OpenAI's kind of error." },
                    ["param"] = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, Description = "The field at fault." },
                    ["code"] = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, Description = "A word for programs." },
                },
            },
        },
    };

    private static void AddKeys(OpenApiDocument document)
    {
        document.Components!.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            ["key"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "A key of the API." },
        };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("key", document)] = [] }];
    }
}

/// <summary>Marks the endpoints that do what the document says, of all that a route has.</summary>
internal sealed class ServesApi
{
    /// <summary>The only one.</summary>
    public static readonly ServesApi Instance = new();
}
