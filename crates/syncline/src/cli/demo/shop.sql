insert into items(kind, unique_value, document, updated_at) values
  ('customers', 'mary@example.com',
   '{"email": "mary@example.com", "full_name": "Mary Shelley", "profile": {"born": "30/08/1997"}, "state": "enabled"}',
   strftime('%Y-%m-%dT%H:%M:%fZ'));
